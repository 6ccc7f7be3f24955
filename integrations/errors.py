"""What can go wrong at a border, named by what the caller should do next."""


class CrmError(Exception):
    """Base of the two errors below; never raised itself. A record that a CRM turns down is no error but an outcome.

    The text names the CRM, the request's method and path, and the CRM's own error code. It never holds a token,
    a header or a record's field values.
    """


class CrmUnavailableError(CrmError):
    """Try again later: the CRM is down, throttled, or its answer was lost.

    After a write, the effect is unknown: settle it by reading back.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CrmRefusedError(CrmError):
    """Stop this CRM's part of the run: credentials, permissions, a missing field or a spent quota."""


def check_credentials(crm: str, *settings: str) -> str:
    """What to do about credentials that a CRM refuses: the variables to check, by the names of their settings."""
    variables = ", ".join(f"PLANSYNC_{crm.upper()}__{setting.upper()}" for setting in settings)
    return f"check {variables}; `plansync doctor` says more"


class FieldMismatchError(CrmRefusedError):
    """Stop this object's part of the run: a field that the settings map is gone, or holds something else now.

    ``setting`` is the path of the setting that names it, from its section on.
    """

    def __init__(self, message: str, *, setting: tuple[str, ...]) -> None:
        super().__init__(message)
        self.setting = setting
