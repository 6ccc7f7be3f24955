"""P24: a token that expires in mid-run is renewed once, whoever notices; what replaces it is kept before its use."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from flows.secret_file import SecretFile
from integrations.errors import CrmRefusedError, CrmUnavailableError
from integrations.tokens import AccessToken, InMemory, Issued, kept_finding
from tests.integrations.scripted import Reply, Seen, in_turn, scripted
from tests.promises.clients import REFRESHED, TOKEN_PATHS, VENDORS, Issuer, client_of, serving, side_by_side

HOUSE = Path(__file__).parent.parent.parent


def secret_at(path: Path) -> SecretFile:
    path.write_text("refresh-1\n")
    path.chmod(0o600)
    return SecretFile(path)


@pytest.mark.parametrize("vendor", VENDORS)
def test_sixteen_threads_whose_token_expires_sign_in_once_and_lose_nothing(vendor: str) -> None:
    issuer = Issuer(vendor, uses=300)
    settings = REFRESHED[vendor] | {"connections": 16}
    with serving(vendor, issuer, refresh_token=InMemory("refresh-1"), **settings) as (client, server):
        wrong = side_by_side(16, lambda: [client.read() for _ in range(25)])
        print(f"{vendor}: {len(issuer.sign_ins)} refresh, {issuer.refused} refused and repeated, {len(wrong)} lost")
        assert wrong == []
        assert len(issuer.sign_ins) == 1
        assert issuer.used["token-2"] >= 100
        assert client.calls.read == len(server.seen)


@pytest.mark.parametrize("vendor", VENDORS)
def test_credentials_that_are_refused_are_tried_once_for_all_threads(vendor: str) -> None:
    def script(asked: Seen) -> Reply:
        is_sign_in = asked.path == TOKEN_PATHS[vendor]
        return (
            Reply(400, {"error": "invalid_grant", "error_description": "expired s3cret"}) if is_sign_in else Reply(401)
        )

    with serving(vendor, script, refresh_token=InMemory("refresh-1"), **REFRESHED[vendor]) as (client, server):
        wrong = side_by_side(8, client.read)
        assert len(wrong) == 8
        assert all(isinstance(each, CrmRefusedError) and "invalid_grant" in str(each) for each in wrong)
        assert sum(asked.path == TOKEN_PATHS[vendor] for asked in server.seen) == 1


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_rotated_token_is_kept_before_the_access_token_is_used(vendor: str, tmp_path: Path) -> None:
    kept, issuer, at_first_use = secret_at(tmp_path / "token"), Issuer(vendor, uses=1, rotates=True), list[str]()

    def script(asked: Seen) -> Reply:
        if asked.path != TOKEN_PATHS[vendor]:
            at_first_use.append((tmp_path / "token").read_text().strip())
        return issuer(asked)

    with serving(vendor, script, access_token=None, refresh_token=kept, **REFRESHED[vendor]) as (client, _):
        client.read()
        client.read()
    assert [form["refresh_token"] for form in issuer.sign_ins] == ["refresh-1", "refresh-2"]
    assert at_first_use == ["refresh-2", "refresh-2", "refresh-3"]
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == [".token.lock", "token"]


DYING = """
import os, signal, sys
from pathlib import Path
from flows.secret_file import SecretFile
from integrations.tokens import InMemory
from tests.promises.clients import REFRESHED, client_of

class Dying(SecretFile):
    def replace(self, token):
        super().replace(token)
        os.kill(os.getpid(), signal.SIGKILL)

vendor, url, path = sys.argv[1:]
client_of(vendor, url, access_token=None, refresh_token=Dying(Path(path)), **REFRESHED[vendor]).read()
"""


@pytest.mark.soak
def test_a_process_killed_between_rotation_and_first_use_locks_nobody_out(tmp_path: Path) -> None:
    secret_at(tmp_path / "token")
    issuer = Issuer("salesforce", uses=10, rotates=True)
    with scripted(issuer) as server:
        command = [sys.executable, "-c", DYING, "salesforce", server.url, str(tmp_path / "token")]
        died = subprocess.run(command, cwd=HOUSE, env={**os.environ, "PYTHONPATH": str(HOUSE)}, check=False)
        assert died.returncode == -9
        heir = client_of(
            "salesforce", server.url, access_token=None, refresh_token=SecretFile(tmp_path / "token"),
            **REFRESHED["salesforce"],
        )  # fmt: skip
        heir.read()
        heir.close()
    assert [form["refresh_token"] for form in issuer.sign_ins] == ["refresh-1", "refresh-2"]


def test_a_token_that_cannot_be_kept_serves_this_process_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "gone").mkdir()
    kept = secret_at(tmp_path / "gone" / "token")
    assert kept.problem() is None
    (tmp_path / "gone").rename(tmp_path / "moved")
    assert "cannot be written" in str(kept.problem())
    kept.replace("refresh-2")
    assert "authorise the app anew" in caplog.text
    assert "refresh-2" not in caplog.text
    with kept.held() as token:
        assert token == "refresh-2"


def test_a_file_open_to_others_and_a_token_from_the_environment_are_findings(tmp_path: Path) -> None:
    kept = secret_at(tmp_path / "token")
    assert kept.problem() is None
    (tmp_path / "token").chmod(0o644)
    assert "chmod 600" in str(kept.problem())
    (told,) = kept_finding("salesforce", kept)
    assert not told.is_ok
    (told,) = kept_finding("salesforce", InMemory("refresh-1"))
    assert told.is_ok
    assert "memory only" in told.detail
    assert "PLANSYNC_SALESFORCE__REFRESH_TOKEN_FILE" in told.fix
    assert kept_finding("salesforce", None) == []


def test_a_spent_refresh_token_is_not_shown_twice_when_its_answer_is_lost() -> None:
    """Salesforce revokes everything when a rotated token is used again."""
    with serving("salesforce", in_turn(Reply(None)), access_token=None, refresh_token=InMemory("r"),
                 **REFRESHED["salesforce"]) as (client, server):  # fmt: skip
        with pytest.raises(CrmUnavailableError, match="not repeated"):
            client.read()
        assert len(server.seen) == 1


@pytest.mark.parametrize(("lives_s", "renew_at"), [(1800.0, 1500.0), (60.0, 30.0)])
def test_a_token_is_renewed_before_it_ends(lives_s: float, renew_at: float) -> None:
    now, issued = [0.0], list[Issued]()

    def sign_in() -> Issued:
        issued.append(Issued(f"token-{len(issued)}", lives_s))
        return issued[-1]

    access = AccessToken("somecrm", None, sign_in, clock=lambda: now[0])
    for at, told in ((0.0, "token-0"), (renew_at - 1, "token-0"), (renew_at, "token-1")):
        now[0] = at
        assert access.current() == told
    assert "token" not in repr(issued[0])


def test_hubspots_life_of_a_token_is_believed() -> None:
    def script(asked: Seen) -> Reply:
        is_sign_in = asked.path == TOKEN_PATHS["hubspot"]
        return Reply(body={"access_token": "t", "expires_in": 0.02} if is_sign_in else {})

    with serving("hubspot", script, access_token=None, refresh_token=InMemory("r"), **REFRESHED["hubspot"]) as (
        client,
        server,
    ):
        client.read()
        time.sleep(0.02)
        client.read()
        assert sum(asked.path == TOKEN_PATHS["hubspot"] for asked in server.seen) == 2


def test_salesforce_signs_in_by_jwt_with_a_private_key() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    issuer = Issuer("salesforce", uses=10)
    settings = {"consumer_key": "key", "username": "ops@acme.example", "private_key": text, "is_test_org": True}
    with serving("salesforce", issuer, access_token=None, **settings) as (client, _):
        client.read()
    assertion = issuer.sign_ins[0]["assertion"]
    told = jwt.decode(assertion, key.public_key(), algorithms=["RS256"], audience="https://test.salesforce.com")
    assert (told["iss"], told["sub"]) == ("key", "ops@acme.example")


def test_a_private_key_that_is_none_is_told_without_its_text() -> None:
    settings = {"consumer_key": "key", "username": "ops@acme.example", "private_key": "BEGIN nonsense"}
    with serving("salesforce", in_turn(Reply()), access_token=None, **settings) as (client, server):
        with pytest.raises(CrmRefusedError, match="PEM text of an RSA key") as raised:
            client.read()
        assert "nonsense" not in str(raised.value)
        assert server.seen == []
