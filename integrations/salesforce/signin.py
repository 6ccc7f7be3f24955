"""Signing in to one org: client credentials, JWT bearer or a refresh token, whichever the settings give.

simple-salesforce speaks the first two; the session that it is given sends everything to the configured host.
"""

from collections.abc import Callable
from urllib.parse import urlencode

import orjson
import requests
from jwt.exceptions import PyJWTError
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from simple_salesforce.login import SalesforceLogin

from integrations.errors import CrmRefusedError, check_credentials
from integrations.hosts import check_host
from integrations.salesforce.fields import DOMAINS, SalesforceConfig
from integrations.tokens import Issued, RefreshToken
from integrations.transport import Answer, Request

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105  # an address
ABOUT = f"salesforce: POST {TOKEN_PATH}"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Exchange = Callable[[Request], Answer]


def sign_in_for(
    config: SalesforceConfig, session: requests.Session, exchange: Exchange, refresh_token: RefreshToken | None
) -> Callable[[], Issued] | None:
    """How to get a token with what the settings give; None if they give nothing to sign in with.

    Args:
        config: Key, secret, user and private key.
        session: Sends what simple-salesforce asks.
        exchange: Sends what it does not know.
        refresh_token: Comes before the others where there is one.
    """
    key, secret = (each.get_secret_value() if each else None for each in (config.consumer_key, config.consumer_secret))
    if key is None:
        return None
    if refresh_token is not None:
        return lambda: _refreshed(exchange, key, secret, refresh_token)
    if config.username is not None and config.private_key is not None:
        return lambda: _asserted(config, session, key)
    if secret is not None:
        # Any domain but `login` and `test` will do: the session sends the request to the configured host.
        return lambda: _logged_in(session=session, consumer_key=key, consumer_secret=secret, domain="configured.my")
    return None


def check_instance(config: SalesforceConfig, answer: Answer) -> None:
    """Refuse a sign-in that names an org beyond Salesforce. Requests go to ``base_url`` whatever it names.

    Raises:
        CrmRefusedError: ``instance_url`` is another host than Salesforce's.
    """
    told = _told(answer)
    if answer.status < 300 and "instance_url" in told:
        check_host(config.base_url, told["instance_url"], DOMAINS, what=f"{ABOUT}: instance_url")


def _asserted(config: SalesforceConfig, session: requests.Session, key: str) -> Issued:
    private = config.private_key.get_secret_value() if config.private_key else ""
    domain = "test" if config.is_test_org else "login"
    try:
        return _logged_in(
            session=session, username=config.username, consumer_key=key, privatekey=private, domain=domain
        )
    except (PyJWTError, ValueError, TypeError):
        fix = "it must be the PEM text of an RSA key"
        raise CrmRefusedError(f"salesforce: the private key cannot sign: {fix}") from None


def _logged_in(**credentials: object) -> Issued:
    try:
        token, _ = SalesforceLogin(**credentials)  # type: ignore[arg-type]
    except SalesforceAuthenticationFailed as error:
        secret = "private_key" if "privatekey" in credentials else "consumer_secret"
        fix = check_credentials("salesforce", "consumer_key", secret)
        raise CrmRefusedError(f"{ABOUT}: sign-in refused ({_plain(getattr(error, 'code', None))}); {fix}") from None
    return _issued(token)


def _refreshed(exchange: Exchange, key: str, secret: str | None, kept: RefreshToken) -> Issued:
    """A token for the refresh token, whose successor is kept before the token is used.

    Not repeated when its answer is lost: where tokens rotate, showing a spent one again revokes everything.
    """
    with kept.held() as refresh:
        form = {"grant_type": "refresh_token", "client_id": key, "refresh_token": refresh}
        form |= {"client_secret": secret} if secret else {}
        body = urlencode(form).encode()
        answer = exchange(Request("POST", TOKEN_PATH, is_repeatable=False, body=body, headers=FORM))
        told = _told(answer)
        if answer.status >= 300:
            fix = check_credentials("salesforce", "consumer_key", "refresh_token")
            raise CrmRefusedError(f"{ABOUT}: sign-in refused ({_plain(told.get('error'))}); {fix}")
        successor = told.get("refresh_token")
        if isinstance(successor, str) and successor and successor != refresh:
            kept.replace(successor)
    return _issued(told.get("access_token"))


def _issued(token: object) -> Issued:
    if not isinstance(token, str) or not token:
        raise CrmRefusedError(f"{ABOUT}: the answer holds no access token")
    return Issued(token)


def _told(answer: Answer) -> dict[str, object]:
    try:
        told = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _plain(code: object) -> str:
    """An OAuth error code for a message; anything else could be text from anywhere."""
    text = str(code or "")
    return text if text.replace("_", "").isalnum() else "no code"
