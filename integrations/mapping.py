"""Settings that every CRM's port has: where it is, and which of its fields hold what plansync reads."""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
FieldMap = dict[str, dict[str, str]]


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean "x"?`` for an error about an unknown name, or nothing."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.4)
    return f'; did you mean "{close[0]}"?' if close else ""


def is_of(host: str, domains: Collection[str]) -> bool:
    """Whether ``host`` is one of ``domains`` or lies below one."""
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def one_host(url: str, *, example: str, domains: Collection[str]) -> str:
    """The scheme and host of ``url``.

    Args:
        url: What the settings say.
        example: A good one, for the message.
        domains: The vendor's own domains; a token is sent nowhere else but to loopback.

    Raises:
        ValueError: It names more than a host, a host that is not the vendor's, or plain http beyond loopback.
    """
    parts = urlsplit(url)
    if parts.hostname is None or parts.path not in ("", "/") or parts.query or parts.username:
        raise ValueError(f"must be a host alone, as {example}")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError("must be https; plain http is for loopback only")
    if parts.hostname not in LOOPBACK and not is_of(parts.hostname, domains):
        raise ValueError(f"must be a host of {' or '.join(sorted(domains))}, as {example}")
    return f"{parts.scheme}://{parts.netloc}"


def known_columns(
    fields: FieldMap, mappable: Mapping[str, Collection[str]], *, spelling: re.Pattern[str], what: str
) -> FieldMap:
    """The map itself, once its objects, columns and the vendor's names are in order.

    Args:
        fields: Per object, plansync's column names and the vendor's names.
        mappable: The objects and columns that may be mapped.
        spelling: What the vendor's names look like; an empty one switches a default off.
        what: What the vendor calls a field, for the message.

    Raises:
        PydanticCustomError: With the place in the map under ``place``.
    """
    for name, mapping in fields.items():
        if name not in mappable:
            raise _wrong(f"no object {name!r} to map{nearest(name, mappable)}", name)
        for column, vendor in mapping.items():
            if column not in mappable[name]:
                raise _wrong(f"no column {column!r} of {name} to map{nearest(column, mappable[name])}", name, column)
            if vendor and not spelling.fullmatch(vendor):
                raise _wrong(f"{vendor!r} is not a {what}", name, column)
    return fields


def _wrong(message: str, *place: str) -> PydanticCustomError:
    return PydanticCustomError("wrong_map", "{message}", {"message": message, "place": list(place)})
