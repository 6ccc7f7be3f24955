"""Access tokens: one sign-in for however many threads find the token missing, old or refused."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from integrations.errors import CrmRefusedError, check_credentials
from models.records import Finding

EARLY_S = 300.0
"""How long before its end a token is renewed, at most: half of its life for a shorter one."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What a sign-in gave. ``lives_s`` is None where the CRM does not say."""

    token: str = field(repr=False)
    lives_s: float | None = None


class RefreshToken(Protocol):
    """A refresh token and where it is kept. Some CRMs replace it at each use and refuse the old one from then on."""

    @contextmanager
    def held(self) -> Iterator[str]:
        """The newest token, while no other process uses it."""
        ...

    def replace(self, token: str) -> None:
        """Keep the token that takes its place; called inside ``held``, before the access token is used."""
        ...

    def problem(self) -> str | None:
        """Why a replaced token would be lost when this process ends; None if it is kept."""
        ...


class InMemory:
    """``RefreshToken`` that came from the environment: there is nowhere to keep its successor."""

    def __init__(self, token: str) -> None:
        self._token = token

    @contextmanager
    def held(self) -> Iterator[str]:
        """As ``RefreshToken.held``."""
        yield self._token

    def replace(self, token: str) -> None:
        """As ``RefreshToken.replace``, for as long as this process lives."""
        self._token = token

    def problem(self) -> str | None:
        """As ``RefreshToken.problem``."""
        return "it is kept in memory only"


def kept_finding(crm: str, refresh_token: RefreshToken | None) -> list[Finding]:
    """What ``doctor`` says of a refresh token: whether one that replaces it would outlive this process."""
    if refresh_token is None:
        return []
    check, problem = f"{crm} refresh token", refresh_token.problem()
    if problem is None:
        return [Finding(check, is_ok=True, detail="in its file, where a token that replaces it is kept")]
    detail = f"{problem}; where {crm} replaces it at each use, the next run could not sign in"
    name = f"PLANSYNC_{crm.upper()}__REFRESH_TOKEN_FILE"
    fix = f"name a file by {name} that plansync's user alone can read, in a folder that he can write"
    return [Finding(check, is_ok=isinstance(refresh_token, InMemory), detail=detail, fix=fix)]


class AccessToken:
    """The token that is valid now. Safe for several threads: they wait for one sign-in, also for one that fails.

    Args:
        crm: For messages.
        first: A token given by the settings, or None.
        sign_in: Gets a new one; None where that is impossible.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        crm: str,
        first: str | None,
        sign_in: Callable[[], Issued] | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._crm, self._token, self._sign_in, self._clock = crm, first, sign_in, clock
        self._renew_at: float | None = None
        self._refusal: str | None = None
        self._renewing = threading.Lock()

    @property
    def is_renewable(self) -> bool:
        """Whether a refused token can be replaced."""
        return self._sign_in is not None

    def current(self) -> str:
        """A token that should be valid; signs in when there is none or it ends soon."""
        token, renew_at = self._token, self._renew_at
        if token is None or (renew_at is not None and self._clock() >= renew_at):
            return self.renewed(token)
        return token

    def renewed(self, refused: str | None) -> str:
        """Another token than ``refused``; signs in unless another thread has done so since.

        Raises:
            CrmUnavailableError: Sign-in got no answer.
            CrmRefusedError: Sign-in was refused, now or before: the same credentials are not tried twice.
        """
        with self._renewing:
            if self._token is not None and self._token != refused:
                return self._token
            if self._refusal is not None:
                raise CrmRefusedError(self._refusal)
            if self._sign_in is None:
                lack = "the access token was refused" if refused else "there is no access token"
                fix = check_credentials(self._crm, "access_token")
                raise CrmRefusedError(f"{self._crm}: {lack}, and there are no credentials to sign in with; {fix}")
            try:
                issued = self._sign_in()
            except CrmRefusedError as error:
                self._refusal = str(error)
                raise
            self._token = issued.token
            self._renew_at = None if issued.lives_s is None else self._clock() + _renew_in_s(issued.lives_s)
            return issued.token


def _renew_in_s(lives_s: float) -> float:
    return lives_s - min(EARLY_S, lives_s / 2)
