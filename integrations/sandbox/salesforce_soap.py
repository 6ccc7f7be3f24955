"""The few calls of the SOAP partner API that have no counterpart in REST: merge, undelete, emptying the recycle bin.

Follows the SOAP developer guide's pages "merge()", "undelete()", "emptyRecycleBin()", "getUserInfo()",
"getServerTimestamp()" and "logout()". There is no ``login()``: it left the API with v65 and is off in new orgs.
Unverified: the words of faults but ``INVALID_SESSION_ID``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from integrations.sandbox.salesforce_auth import Credentials
from integrations.sandbox.salesforce_bin import RecycleBin
from integrations.sandbox.salesforce_calls import Reply
from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.salesforce_ids import normal_id
from integrations.sandbox.salesforce_merges import merge_records
from integrations.sandbox.salesforce_objects import BY_PREFIX
from integrations.sandbox.salesforce_schema import SObject
from integrations.sandbox.salesforce_store import INTEGRATION_USER_ID, INTEGRATION_USERNAME, ORG_ID, entity_named
from integrations.sandbox.salesforce_writes import Writer
from integrations.sandbox.soql_values import wire_instant

MOST_IDS = 200

_REQUESTS = frozenset({"request", "mergeRequests"})  # the WSDL says the first, jsforce the second

_XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_NAMESPACE = re.compile(r"\{[^}]*\}")
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns="urn:partner.soap.sforce.com" xmlns:sf="urn:fault.partner.soap.sforce.com"><soapenv:Body>{}</soapenv:Body>'
    "</soapenv:Envelope>"
)


@dataclass(frozen=True, slots=True)
class _Request:
    """One operation with its arguments, and the session that asks for it."""

    name: str
    arguments: ElementTree.Element
    session: str


class Soap:
    """The partner endpoint of the org that ``writer`` writes to."""

    def __init__(self, writer: Writer, credentials: Credentials) -> None:
        self.writer, self.credentials = writer, credentials
        self.bin = RecycleBin(writer.state)
        self._operations: Mapping[str, Callable[[ElementTree.Element], Sequence[Mapping[str, Any]]]] = {
            "merge": self._merged,
            "undelete": self._undeleted,
            "emptyRecycleBin": self._emptied,
            "getUserInfo": self._user,
            "getServerTimestamp": self._timestamp,
        }

    def answered(self, body: bytes) -> Reply:
        """The answer to one envelope; a fault is an answer, too."""
        try:
            request = _request(body)
            if not self.credentials.is_living(request.session):
                message = "Invalid Session ID found in SessionHeader: Illegal Session"
                raise SalesforceError("INVALID_SESSION_ID", message)
            return self._done(request)
        except SalesforceError as error:
            said = _xml({"faultcode": f"sf:{error.code}", "faultstring": f"{error.code}: {error.message}"})
            return _reply(f"<soapenv:Fault>{said}</soapenv:Fault>", 500)

    def _done(self, request: _Request) -> Reply:
        if request.name == "logout":
            self.credentials.revoke(request.session)
            return _reply("<logoutResponse/>", 200)
        operation = self._operations.get(request.name)
        if operation is None:
            raise SalesforceError("UNSUPPORTED_API_VERSION", f"No operation available for request {request.name}")
        with self.writer.state.transaction():
            results = operation(request.arguments)
        inner = "".join(f"<result>{_xml(each)}</result>" for each in results)
        return _reply(f"<{request.name}Response>{inner}</{request.name}Response>", 200)

    # -- operations ---------------------------------------------------------------------------------------------------

    def _merged(self, arguments: ElementTree.Element) -> list[dict[str, Any]]:
        return [self._one_merge(each) for each in arguments if _plain(each.tag) in _REQUESTS]

    def _one_merge(self, request: ElementTree.Element) -> dict[str, Any]:
        master = next((each for each in request if _plain(each.tag) == "masterRecord"), ElementTree.Element("none"))
        values = _values(master)
        losers = [each.text or "" for each in request if _plain(each.tag) == "recordToMergeIds"]
        winner = str(values.pop("Id", None) or values.pop("id", None) or "")

        def act() -> dict[str, Any]:
            entity = entity_named(str(values.pop("type", "")))
            moved = merge_records(self.writer.state, entity, winner, losers)
            if values:
                self.writer.update(entity, str(normal_id(winner)), values)
            for each in losers:
                self.writer.note(entity, str(normal_id(each)), "delete")
            return {"id": winner, "mergedRecordIds": losers, "success": True, "updatedRelatedIds": moved}

        return self._outcome(act, winner)

    def _undeleted(self, arguments: ElementTree.Element) -> list[dict[str, Any]]:
        def undelete(entity: SObject, record_id: str) -> None:
            row = self.writer.stored_row(entity, record_id)
            self.writer.check_unique(entity, row, except_id=record_id)
            self.bin.take_out(entity, record_id, self.writer.note)

        return self._each_id(arguments, undelete)

    def _emptied(self, arguments: ElementTree.Element) -> list[dict[str, Any]]:
        return self._each_id(arguments, self.bin.empty)

    def _user(self, arguments: ElementTree.Element) -> list[dict[str, Any]]:
        return [
            {
                "organizationId": ORG_ID,
                "organizationName": "Sandbox",
                "userEmail": INTEGRATION_USERNAME,
                "userFullName": "Integration User",
                "userId": INTEGRATION_USER_ID,
                "userLanguage": "en_US",
                "userLocale": "en_US",
                "userName": INTEGRATION_USERNAME,
                "userTimeZone": "GMT",
                "userType": "Standard",
            }
        ]

    def _timestamp(self, arguments: ElementTree.Element) -> list[dict[str, Any]]:
        return [{"timestamp": wire_instant(self.writer.state.clock.now()).replace("+0000", "Z")}]

    # -- inside -------------------------------------------------------------------------------------------------------

    def _each_id(self, arguments: ElementTree.Element, act: Callable[[SObject, str], None]) -> list[dict[str, Any]]:
        ids = [each.text or "" for each in arguments if _plain(each.tag) == "ids"]
        if len(ids) > MOST_IDS:
            raise SalesforceError("EXCEEDED_ID_LIMIT", f"at most {MOST_IDS} ids in one call, not {len(ids)}")
        return [self._one_id(each, act) for each in ids]

    def _one_id(self, given: str, act: Callable[[SObject, str], None]) -> dict[str, Any]:
        def found() -> dict[str, Any]:
            record_id = normal_id(given)
            entity = BY_PREFIX.get(given[:3])
            if record_id is None or entity is None:
                raise SalesforceError("MALFORMED_ID", f"malformed id {given}", fields=[])
            act(entity, record_id)
            return {"id": record_id, "success": True}

        return self._outcome(found, given)

    def _outcome(self, act: Callable[[], dict[str, Any]], given: str) -> dict[str, Any]:
        """What became of one record, which may fail by itself."""
        try:
            with self.writer.state.transaction():
                return act()
        except SalesforceError as error:
            said = error.as_row_error()
            wrong = {"fields": said["fields"], "message": said["message"], "statusCode": said["statusCode"]}
            return {"errors": [wrong], "id": given or None, "success": False}


def _request(body: bytes) -> _Request:
    if b"<!" in body.split(b"Envelope", 1)[0]:
        raise SalesforceError("INVALID_SOAP_HEADER", "a document type is not allowed")
    try:
        envelope = ElementTree.fromstring(body)  # noqa: S314 - no document type, so no entity to expand
    except ElementTree.ParseError as error:
        raise SalesforceError("UNKNOWN_EXCEPTION", f"the request is no XML: {error}") from None
    session = next((each.text or "" for each in envelope.iter() if _plain(each.tag) == "sessionId"), "")
    for part in envelope:
        if _plain(part.tag) == "Body" and len(part):
            return _Request(_plain(part[0].tag), part[0], session)
    raise SalesforceError("UNKNOWN_EXCEPTION", "the envelope has no body")


def _values(element: ElementTree.Element) -> dict[str, Any]:
    return {_plain(each.tag): None if each.get(_XSI_NIL) == "true" else each.text for each in element}


def _plain(tag: str) -> str:
    return _NAMESPACE.sub("", tag)


def _xml(values: Mapping[str, Any]) -> str:
    return "".join(_elements(name, value) for name, value in values.items() if value is not None)


def _elements(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_elements(name, each) for each in value)
    if isinstance(value, dict):
        return f"<{name}>{_xml(value)}</{name}>"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(text)}</{name}>"


def _reply(inner: str, status: int) -> Reply:
    return Reply(status=status, content=_ENVELOPE.format(inner).encode(), media_type="text/xml;charset=UTF-8")
