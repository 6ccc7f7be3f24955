"""One request to the org and its answer, decoded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from integrations.sandbox.salesforce_errors import SalesforceError, not_found
from integrations.sandbox.salesforce_schema import SObject
from integrations.sandbox.salesforce_store import entity_named
from integrations.sandbox.salesforce_values import MalformedBodyError
from integrations.sandbox.salesforce_writes import MultipleMatchesError
from integrations.sandbox.state import RequestKind


@dataclass(frozen=True, slots=True)
class Call:
    """One request, decoded."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def version(self) -> str:
        return self.path["version"]

    @property
    def entity(self) -> SObject:
        try:
            return entity_named(self.path["type"])
        except SalesforceError:
            raise not_found() from None

    def json(self) -> Mapping[str, Any]:
        """The body as an object.

        Raises:
            MalformedBodyError: It is none.
        """
        try:
            found = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise MalformedBodyError("JSON_PARSER_ERROR", str(error)) from None
        if not isinstance(found, dict):
            raise MalformedBodyError("JSON_PARSER_ERROR", "The body must be a JSON object")
        return found


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; ``records`` counts the records read or written, ``kind`` corrects what the resource usually does.

    ``body`` is sent as JSON, unless ``content`` is to be sent as it is.
    """

    body: Any = None
    status: int = 200
    records: int = 0
    kind: RequestKind | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    media_type: str = "application/json;charset=UTF-8"


def answer_of(act: Callable[[], Reply], path: str) -> Reply:
    """What ``act`` answers to a request for ``path``; a refusal is an answer, too."""
    try:
        return act()
    except SalesforceError as error:
        return Reply(error.as_request_error(), error.status)
    except MultipleMatchesError as several:
        root, _, rest = path.partition("/sobjects/")
        base = f"{root}/sobjects/{rest.partition('/')[0]}/"
        return Reply([base + each for each in several.ids], 300)
