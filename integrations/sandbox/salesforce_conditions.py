"""Conditional requests: the header of a request decides whether it is done at all.

Follows the vendor's page "Conditional Request Headers": entity tags on account records only, dates on the records of
any object; a wrong value is ignored in a GET and a 400 in a PATCH; DELETE takes no conditions. Unverified: the bodies
of 400 and 412, and that the tag is of the whole record even when a request names some fields.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import orjson

from integrations.sandbox.salesforce_calls import Call, Reply
from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.salesforce_schema import SObject

_TAGS = re.compile(r'\s*(?:W/)?"[^"]*"\s*(?:,\s*(?:W/)?"[^"]*"\s*)*|\s*\*\s*')
_TAG = re.compile(r'"([^"]*)"')
_PACKED = re.compile(r"-+gzip$")

Row = Mapping[str, Any]


def headers_of(entity: SObject, row: Row, call: Call) -> dict[str, str]:
    """What a record's answer says of its state: when it was changed, and an account's entity tag."""
    modified = _modified(row)
    said = {"Last-Modified": format_datetime(modified, usegmt=True)} if modified else {}
    if entity.name == "Account":
        packed = "--gzip" if "gzip" in call.headers.get("accept-encoding", "") else ""
        said["ETag"] = f'"{_tag(row)}{packed}"'
    return said


def unread(entity: SObject, row: Row, call: Call) -> Reply | None:
    """The answer to a GET whose condition the record does not meet; None when it is to be read."""
    headers = headers_of(entity, row, call)
    if _fails_match(entity, row, call) or _was_modified(row, call, "if-unmodified-since"):
        raise _failed()
    tags = call.headers.get("if-none-match")
    if tags and entity.name == "Account" and _TAGS.fullmatch(tags):
        return Reply(status=304, headers=headers) if _matches(tags, row) else None
    since = _date(call, "if-modified-since")
    modified = _modified(row)
    return Reply(status=304, headers=headers) if since and modified and modified <= since else None


def check_write(entity: SObject, row: Row, call: Call) -> None:
    """Refuse a PATCH whose condition the record does not meet.

    Raises:
        SalesforceError: 412; 400, when a condition cannot be read.
    """
    for name in ("if-match", "if-none-match"):
        if name in call.headers and not _TAGS.fullmatch(call.headers[name]):
            raise SalesforceError("BAD_REQUEST", f"invalid value of header {name}")
    if "if-unmodified-since" in call.headers and _date(call, "if-unmodified-since") is None:
        raise SalesforceError("BAD_REQUEST", "invalid value of header if-unmodified-since")
    tags = call.headers.get("if-none-match") if entity.name == "Account" else None
    if _fails_match(entity, row, call) or (tags and _matches(tags, row)):
        raise _failed()
    if _was_modified(row, call, "if-unmodified-since"):
        raise _failed()


def _fails_match(entity: SObject, row: Row, call: Call) -> bool:
    tags = call.headers.get("if-match", "")
    return entity.name == "Account" and bool(_TAGS.fullmatch(tags)) and not _matches(tags, row)


def _matches(tags: str, row: Row) -> bool:
    return "*" in tags or _tag(row) in {_PACKED.sub("", each) for each in _TAG.findall(tags)}


def _was_modified(row: Row, call: Call, header: str) -> bool:
    since, modified = _date(call, header), _modified(row)
    return bool(since and modified and modified > since)


def _tag(row: Row) -> str:
    return b64encode(hashlib.sha256(orjson.dumps(dict(row), option=orjson.OPT_SORT_KEYS)).digest()).decode()


def _modified(row: Row) -> datetime | None:
    stamp = row.get("LastModifiedDate")
    return datetime.fromisoformat(str(stamp)[:19]).replace(tzinfo=UTC) if stamp else None


def _date(call: Call, header: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(call.headers.get(header, ""))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _failed() -> SalesforceError:
    return SalesforceError("PRECONDITION_FAILED", "The record does not meet the request's condition", status=412)
