"""A loopback proxy that plays the internet for clients that know only HubSpot's and Salesforce's real addresses.

A client is given ``HTTPS_PROXY`` and the certificate of a CA made for this one run. It asks to be connected to
``api.hubapi.com``; the proxy ends TLS there and hands each request to the sandbox. Every other host is refused and
remembered, so that nothing leaves the machine, telemetry included.
"""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_NOT_FORWARDED = {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "content-length"}
_LONGEST_ANSWER_S = 60


@dataclass
class Proxy:
    """A running proxy."""

    url: str
    ca_file: Path
    refused: list[str] = field(default_factory=list)
    """Hosts that were asked for and not let through."""

    def environment(self) -> dict[str, str]:
        """What a Python client must be told to come here."""
        certificates = str(self.ca_file)
        return {
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), self.url),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), ""),
            **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"), certificates),
        }


@contextmanager
def running_proxy(hosts: Mapping[str, str], folder: Path) -> Iterator[Proxy]:
    """A proxy on a free loopback port.

    Args:
        hosts: By pattern of host name (``*.my.salesforce.com``), the base URL on loopback that plays it.
        folder: Where the throw-away certificates live; they end with it.
    """
    authority = _Authority(folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        proxy = Proxy(f"http://127.0.0.1:{server.server_port}", authority.file)
        server.hosts, server.authority, server.proxy = dict(hosts), authority, proxy  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield proxy
        server.shutdown()
        thread.join()


class _Authority:
    """A certificate authority for one run."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "plansync throw-away test CA")])
        self._contexts: dict[str, ssl.SSLContext] = {}
        certificate = self._signed(self._name, self._key.public_key(), is_authority=True)
        self.file = folder / "ca.pem"
        self.file.write_bytes(_pem(certificate))

    def context(self, host: str) -> ssl.SSLContext:
        """TLS as ``host``."""
        with self._lock:
            if host not in self._contexts:
                self._contexts[host] = self._made(host)
            return self._contexts[host]

    def _made(self, host: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
        file = self._folder / f"host-{len(self._contexts)}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(_pem(self._signed(name, key.public_key(), host=host)) + private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, *, host: str = "", is_authority: bool = False
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if is_authority:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            built = built.add_extension(usage, critical=True)
        if host:
            built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        return built.sign(self._key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class _Handler(BaseHTTPRequestHandler):
    """First ``CONNECT``, then the requests inside the tunnel, on one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Any
    _host = ""

    def do_CONNECT(self) -> None:
        host = self.path.partition(":")[0]
        if self._base_url(host) is None:
            self._refuse(host)
            return
        self._host = host
        self.send_response_only(200, "Connection established")
        self.end_headers()
        self.wfile.flush()
        try:
            self.connection = self.server.authority.context(host).wrap_socket(self.connection, server_side=True)
        except OSError:
            self.close_connection = True
            return
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")
        self.close_connection = False

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()
        with suppress(OSError):
            self.connection.close()

    def _forward(self) -> None:
        base = self._base_url(self._host) if self._host else None
        if base is None:
            self._refuse(urlsplit(self.path).hostname or self.path)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_FORWARDED}
        headers |= {"X-Forwarded-Proto": "https", "Content-Length": str(len(body))}
        upstream = HTTPConnection(urlsplit(base).netloc, timeout=_LONGEST_ANSWER_S)
        try:
            upstream.request(self.command, self.path, body=body, headers=headers)
            answer = upstream.getresponse()
            self._answer(answer.status, answer.reason, answer.getheaders(), answer.read())
        finally:
            upstream.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815 - as http.server calls them

    def _answer(self, status: int, reason: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status, reason)
        for name, value in headers:
            if name.lower() not in _NOT_FORWARDED:
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _base_url(self, host: str) -> str | None:
        return next((base for pattern, base in self.server.hosts.items() if fnmatchcase(host, pattern)), None)

    def _refuse(self, host: str) -> None:
        self.server.proxy.refused.append(host)
        self.close_connection = True
        self._answer(403, "Forbidden", [("Connection", "close")], b"this proxy leads to the sandbox only\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the sandbox keeps the log."""
