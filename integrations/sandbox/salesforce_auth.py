"""Who may enter the emulated Salesforce: tokens, and the key and secret that earn one."""

import hmac
import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass, field

ORG_ID = "00D5g0000000001EAA"


@dataclass
class Credentials:
    """What opens the org. ``access_token`` always does; sign-in hands out more, which can be made to expire."""

    access_token: str
    consumer_key: str
    consumer_secret: str
    issued: set[str] = field(default_factory=set)

    def admits(self, authorization: str) -> bool:
        """Whether an Authorization header carries a living token."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() not in {"bearer", "oauth"}:
            return False
        return token in self.issued or hmac.compare_digest(token.encode(), self.access_token.encode())

    def issue(self) -> str:
        """A fresh token."""
        token = f"{ORG_ID[:15]}!{secrets.token_urlsafe(48)}"
        self.issued.add(token)
        return token


def basic_pair(authorization: str) -> tuple[str, str] | None:
    """Key and secret of a basic Authorization header, or None when it is none."""
    scheme, _, coded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        key, _, secret = b64decode(coded).decode().partition(":")
    except (Base64Error, UnicodeDecodeError):
        return None
    return key, secret
