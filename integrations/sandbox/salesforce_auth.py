"""Who may enter the emulated Salesforce: the app's key, secret and certificates, and the tokens that they earn."""

import hmac
import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from integrations.sandbox.salesforce_store import ORG_ID

__all__ = ["ORG_ID", "AuthorizationCode", "Credentials", "basic_pair"]


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """What a code from the authorize page stands for, once."""

    redirect_uri: str
    challenge: str | None


@dataclass
class Credentials:
    """What opens the org. ``access_token`` always does; sign-in hands out more, which can be made to expire."""

    access_token: str
    consumer_key: str
    consumer_secret: str
    issued: set[str] = field(default_factory=set)
    refresh_tokens: set[str] = field(default_factory=set)
    codes: dict[str, AuthorizationCode] = field(default_factory=dict)
    public_keys: list[RSAPublicKey] = field(default_factory=list)
    rotates_refresh_tokens: bool = False

    def admits(self, authorization: str) -> bool:
        """Whether an Authorization header carries a living token."""
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() in {"bearer", "oauth"} and self.is_living(token)

    def is_living(self, token: str) -> bool:
        """Whether a token opens the org."""
        return token in self.issued or hmac.compare_digest(token.encode(), self.access_token.encode())

    def issue(self) -> str:
        """A fresh access token."""
        token = f"{ORG_ID[:15]}!{secrets.token_urlsafe(48).replace('-', '.')}"
        self.issued.add(token)
        return token

    def issue_refresh_token(self) -> str:
        """A fresh refresh token."""
        token = f"5Aep861{secrets.token_urlsafe(48).replace('-', '.')}"
        self.refresh_tokens.add(token)
        return token

    def revoke(self, token: str) -> bool:
        """Let a token stop working; a refresh token takes the access tokens along.

        Returns:
            Whether there was such a token.
        """
        if token in self.refresh_tokens:
            self.refresh_tokens.discard(token)
            self.issued.clear()
            return True
        was_living = self.is_living(token)
        self.issued.discard(token)
        return was_living

    def trust(self, pem: str) -> None:
        """Register the certificate, or the bare public key, with which an app signs its assertions.

        Raises:
            ValueError: It is no PEM of either, or its key is not RSA.
        """
        is_certificate = "BEGIN CERTIFICATE" in pem
        found = (
            load_pem_x509_certificate(pem.encode()).public_key()
            if is_certificate
            else load_pem_public_key(pem.encode())
        )
        if not isinstance(found, RSAPublicKey):
            raise ValueError("the certificate's key is not RSA")
        self.public_keys.append(found)

    def verified_claims(self, assertion: str, audiences: list[str]) -> dict[str, Any]:
        """The claims of an assertion that a registered key signed, is still valid and is meant for us.

        Raises:
            jwt.InvalidTokenError: It is not so.
        """
        wrong: jwt.InvalidTokenError = jwt.InvalidSignatureError("no certificate is registered")
        for key in self.public_keys:
            try:
                return jwt.decode(
                    assertion,
                    key,
                    algorithms=["RS256"],
                    audience=audiences,
                    options={"require": ["iss", "sub", "aud", "exp"]},
                )
            except jwt.InvalidSignatureError as error:
                wrong = error
        raise wrong


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
