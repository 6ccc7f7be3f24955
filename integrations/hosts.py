"""Where requests may go: the host that the settings name, and no address that an answer names instead."""

from collections.abc import Collection
from urllib.parse import urlsplit

from integrations.errors import CrmRefusedError
from integrations.mapping import LOOPBACK, is_of

_UNSAFE = frozenset("\\@# \t\r\n\0")


def path_on(base_url: str, link: object, *, what: str) -> str:
    """The path (with its query) of a link that an answer names, for a request to ``base_url``.

    Args:
        base_url: Scheme and host that the settings name.
        link: A path, or an address on the very same host; anything else is refused.
        what: CRM and link, for the message.

    Raises:
        CrmRefusedError: The link leads to another host, climbs out of its folder, or is no link.
    """
    if not isinstance(link, str) or not link or _UNSAFE & set(link):
        raise CrmRefusedError(f"{what} is no path on this host; nothing was sent there")
    parts, own = urlsplit(link), urlsplit(base_url)
    if (parts.scheme or parts.netloc) and (parts.scheme, parts.netloc) != (own.scheme, own.netloc):
        raise CrmRefusedError(f"{what} leads to another host ({_shown(parts.hostname)}); nothing was sent there")
    if not parts.path.startswith("/") or ".." in parts.path:
        raise CrmRefusedError(f"{what} is no path on this host; nothing was sent there")
    return parts.path + (f"?{parts.query}" if parts.query else "")


def check_host(base_url: str, url: object, domains: Collection[str], *, what: str) -> None:
    """Accept an address of the vendor over https; one on loopback only if ``base_url`` is there, too.

    Raises:
        CrmRefusedError: It is anywhere else.
    """
    parts = urlsplit(url if isinstance(url, str) else "")
    host = parts.hostname or ""
    is_near = host in LOOPBACK and urlsplit(base_url).hostname in LOOPBACK
    is_same = f"{parts.scheme}://{parts.netloc}" == base_url
    if not (is_near or is_same or (parts.scheme == "https" and is_of(host, domains))):
        raise CrmRefusedError(f"{what} names a host that is not the vendor's ({_shown(host)}); nothing was sent there")


def redirect_said(location: str | None) -> str:
    """What to say of a redirect that was not followed."""
    host = urlsplit(location or "").hostname
    return f"a redirect to {_shown(host)}, not followed" if host else "a redirect, not followed"


def _shown(host: str | None) -> str:
    """A host name for a message: what no host name holds is left out."""
    return "".join(each for each in (host or "") if each.isalnum() or each in ".-:")[:100] or "no host"
