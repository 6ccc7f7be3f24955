"""Every way into the emulated Salesforce, and every way out, over HTTP."""

import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from simple_salesforce import Salesforce

from integrations.sandbox.process import Sandbox, running_sandbox
from tests.sandbox.salesforce_client import LoopbackSession

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


@dataclass
class App:
    """A connected app: its requests to the OAuth endpoints, with key and secret."""

    sandbox: Sandbox

    def ask(self, name: str, **form: str) -> requests.Response:
        url = f"{self.sandbox.salesforce.base_url}/services/oauth2/{name}"
        return requests.post(url, data=form, timeout=5, allow_redirects=False)

    def secretly(self, name: str, **form: str) -> requests.Response:
        details = self.sandbox.salesforce
        return self.ask(name, client_id=details.consumer_key, client_secret=details.consumer_secret, **form)

    def admin(self, path: str, **body: Any) -> Any:
        answer = requests.post(f"{self.sandbox.admin_url}/salesforce/{path}", json=body, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def works(self, token: str) -> bool:
        url = f"{self.sandbox.salesforce.base_url}/services/data/v66.0/limits"
        return requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=5).status_code == 200


@pytest.fixture(scope="module")
def app(sandbox: Sandbox) -> App:
    return App(sandbox)


def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "plansync")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(datetime.now(UTC)).not_valid_after(datetime.now(UTC) + timedelta(1))
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@pytest.fixture(scope="module")
def signer(app: App) -> rsa.RSAPrivateKey:
    """A key whose certificate the app has registered."""
    key = private_key()
    app.admin("certificates", certificate=certificate(key))
    return key


def claims(app: App, **other: Any) -> Mapping[str, Any]:
    details = app.sandbox.salesforce
    exp = int(time.time()) + 180
    said = {"iss": details.consumer_key, "sub": details.username, "aud": "https://login.salesforce.com", "exp": exp}
    return {**said, **other}


def test_a_signed_assertion_earns_a_token(app: App, signer: rsa.RSAPrivateKey) -> None:
    for audience in ("https://login.salesforce.com", "https://test.salesforce.com", app.sandbox.salesforce.base_url):
        assertion = jwt.encode(dict(claims(app, aud=audience)), signer, algorithm="RS256")
        answer = app.ask("token", grant_type=JWT_BEARER, assertion=assertion)
        assert answer.status_code == 200, answer.text
        assert app.works(answer.json()["access_token"])
        assert answer.json().keys() == {"access_token", "scope", "instance_url", "id", "token_type"}


def test_simple_salesforce_signs_in_with_its_key(app: App, signer: rsa.RSAPrivateKey) -> None:
    pem = signer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    details = app.sandbox.salesforce
    session = LoopbackSession(details.base_url)
    sf = Salesforce(
        session=session, username=details.username, consumer_key=details.consumer_key, privatekey=pem, version="66.0"
    )
    assert sf.query("SELECT Name FROM Organization")["records"][0]["Name"] == "Sandbox"


WRONG: list[tuple[str, Callable[[App], Mapping[str, Any]], str, str]] = [
    ("another audience", lambda app: claims(app, aud="https://elsewhere.example"), "invalid_grant", "Audience"),
    ("expired", lambda app: claims(app, exp=int(time.time()) - 600), "invalid_grant", "expired"),
    (
        "no expiry",
        lambda app: {name: it for name, it in claims(app).items() if name != "exp"},
        "invalid_grant",
        "invalid",
    ),
    ("another app", lambda app: claims(app, iss="another"), "invalid_client_id", "client identifier invalid"),
    ("another user", lambda app: claims(app, sub="who@v.example"), "invalid_grant", "hasn't approved this consumer"),
]


@pytest.mark.parametrize(
    ("said", "error", "description"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG]
)
def test_a_wrong_assertion_earns_nothing(
    app: App, signer: rsa.RSAPrivateKey, said: Callable[[App], Mapping[str, Any]], error: str, description: str
) -> None:
    assertion = jwt.encode(dict(said(app)), signer, algorithm="RS256")
    answer = app.ask("token", grant_type=JWT_BEARER, assertion=assertion)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert description in answer.json()["error_description"]


def test_only_a_registered_key_and_its_algorithm_count(app: App, signer: rsa.RSAPrivateKey) -> None:
    body = dict(claims(app))
    forged = jwt.encode(body, private_key(), algorithm="RS256")
    unsigned = jwt.encode(body, None, algorithm="none")
    by_secret = jwt.encode(body, app.sandbox.salesforce.consumer_secret, algorithm="HS256")
    for assertion in (forged, unsigned, by_secret, "no assertion", ""):
        answer = app.ask("token", grant_type=JWT_BEARER, assertion=assertion)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_user_whom_no_admin_approved_is_told_so(app: App, signer: rsa.RSAPrivateKey) -> None:
    details = app.sandbox.salesforce
    body = {"LastName": "New", "Username": "new@v.example", "Email": "new@v.example"}
    headers = {"Authorization": f"Bearer {details.access_token}"}
    made = requests.post(f"{details.base_url}/services/data/v66.0/sobjects/User", json=body, headers=headers, timeout=5)
    assert made.status_code == 201
    assertion = jwt.encode(dict(claims(app, sub="new@v.example")), signer, algorithm="RS256")
    answer = app.ask("token", grant_type=JWT_BEARER, assertion=assertion)
    assert answer.json()["error"] == "invalid_app_access"


def test_a_refresh_token_works_until_it_is_revoked(app: App) -> None:
    token = app.admin("refresh-tokens", rotates=False)["refresh_token"]
    for _ in range(2):
        answer = app.secretly("token", grant_type="refresh_token", refresh_token=token)
        assert app.works(answer.json()["access_token"])
        assert "refresh_token" not in answer.json()
    assert app.ask("revoke", token=token).status_code == 200
    assert not app.works(answer.json()["access_token"])
    refused = app.secretly("token", grant_type="refresh_token", refresh_token=token)
    wrong = {"error": "invalid_grant", "error_description": "expired access/refresh token"}
    assert (refused.status_code, refused.json()) == (400, wrong)
    assert app.ask("revoke", token=token).json()["error"] == "invalid_token"


def test_a_rotated_refresh_token_works_once(app: App) -> None:
    first = app.admin("refresh-tokens", rotates=True)["refresh_token"]
    second = app.secretly("token", grant_type="refresh_token", refresh_token=first).json()["refresh_token"]
    assert app.secretly("token", grant_type="refresh_token", refresh_token=first).status_code == 400
    assert app.secretly("token", grant_type="refresh_token", refresh_token=second).status_code == 200
    app.admin("refresh-tokens", rotates=False)


def test_a_code_is_worth_a_session_to_whoever_has_its_verifier(app: App) -> None:
    details, back = app.sandbox.salesforce, "http://localhost:1717/OauthRedirect"
    challenge = urlsafe_b64encode(hashlib.sha256(b"verifier").digest()).decode().rstrip("=")
    asked = {"client_id": details.consumer_key, "redirect_uri": back}

    def code() -> str:
        answer = app.ask("authorize", response_type="code", state="s", code_challenge=challenge, **asked)
        query = parse_qs(urlsplit(answer.headers["Location"]).query)
        assert (answer.status_code, query["state"]) == (302, ["s"])
        return query["code"][0]

    given = app.ask("token", grant_type="authorization_code", code=code(), code_verifier="verifier", **asked)
    assert app.works(given.json()["access_token"])
    assert app.secretly("token", grant_type="refresh_token", refresh_token=given.json()["refresh_token"]).ok
    stolen = app.ask("token", grant_type="authorization_code", code=code(), code_verifier="guessed", **asked)
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    away = app.ask("authorize", response_type="code", **{**asked, "redirect_uri": "https://elsewhere.example"})
    assert away.status_code == 400


def test_a_token_is_known_by_its_user_its_state_and_its_app(app: App) -> None:
    details = app.sandbox.salesforce
    headers = {"Authorization": f"Bearer {details.access_token}"}
    info = requests.get(f"{details.base_url}/services/oauth2/userinfo", headers=headers, timeout=5).json()
    assert info["preferred_username"] == details.username
    identity = requests.get(info["sub"], headers=headers, timeout=5).json()
    assert (identity["user_id"], identity["username"]) == (info["user_id"], details.username)
    stranger = requests.get(info["sub"], headers={"Authorization": "Bearer no"}, timeout=5)
    assert (stranger.status_code, stranger.text) == (403, "Bad_OAuth_Token")
    assert requests.get(info["sub"], timeout=5).text == "Missing_OAuth_Token"
    active = app.secretly("introspect", token=details.access_token).json()
    assert (active["active"], active["username"], active["token_type"]) == (True, details.username, "access_token")
    assert app.secretly("introspect", token="gone").json() == {"active": False}
    assert app.ask("introspect", token=details.access_token).status_code == 401


def test_a_session_that_was_revoked_is_over(app: App) -> None:
    token = app.secretly("token", grant_type="client_credentials").json()["access_token"]
    assert app.works(token)
    assert app.ask("revoke", token=token).status_code == 200
    assert not app.works(token)
