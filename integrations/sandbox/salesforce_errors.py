"""How Salesforce says no."""

from collections.abc import Sequence
from typing import Any

_SEE_DESCRIBE = "Please reference your WSDL or the describe call for the appropriate names."


class SalesforceError(Exception):
    """A refusal, as the API words it: of a whole request, or of one record of several."""

    def __init__(self, code: str, message: str, *, status: int = 400, fields: Sequence[str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.fields = code, message, status, fields

    def as_request_error(self) -> list[dict[str, Any]]:
        """The body of an error answer."""
        more = {} if self.fields is None else {"fields": list(self.fields)}
        return [{"message": self.message, "errorCode": self.code, **more}]

    def as_row_error(self) -> dict[str, Any]:
        """One entry of ``errors`` in the result of one record."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields or ())}


def session_refused() -> SalesforceError:
    """What a wrong or expired token is told."""
    return SalesforceError("INVALID_SESSION_ID", "Session expired or invalid", status=401)


def not_found(message: str = "The requested resource does not exist") -> SalesforceError:
    """What is said of a path or record that does not exist."""
    return SalesforceError("NOT_FOUND", message, status=404)


def no_such_column(name: str, entity: str) -> str:
    """What a query is told about an unknown field."""
    return (
        f"No such column '{name}' on entity '{entity}'. If you are attempting to use a custom field, be sure to append "
        f"the '__c' after the custom field name. {_SEE_DESCRIBE}"
    )


def no_such_object(name: str) -> str:
    """What a query is told about an unknown object."""
    return (
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the "
        f"'__c' after the entity name. {_SEE_DESCRIBE}"
    )


def no_such_relationship(name: str, where: str) -> str:
    """What a query is told about an unknown relationship in a ``field path`` or the ``FROM part of query call``."""
    return (
        f"Didn't understand relationship '{name}' in {where}. If you are attempting to use a custom relationship, be "
        f"sure to append the '__r' after the custom relationship name. {_SEE_DESCRIBE}"
    )
