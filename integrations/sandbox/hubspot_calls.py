"""One request to the portal, read: its path, query and JSON body."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson

from integrations.sandbox.hubspot_answers import Json, invalid
from integrations.sandbox.hubspot_portal import Portal
from integrations.sandbox.hubspot_tokens import Tokens
from integrations.sandbox.hubspot_types import ObjectType


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler is given.

    ``version`` is ``v3``, ``v4`` or a date; ``path`` has the parts of the path and the whole of it under ``""``;
    ``query`` holds every value of a repeated parameter.
    """

    portal: Portal
    tokens: Tokens
    version: str
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    content: bytes = b""
    origin: str = ""
    is_reading: bool = False
    _read: dict[str, Any] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        """The body, parsed once.

        Raises:
            HubSpotError: 400, when it is not JSON.
        """
        if "json" not in self._read:
            try:
                self._read["json"] = orjson.loads(self.content)
            except orjson.JSONDecodeError as error:
                raise invalid(f"Invalid input JSON on line {error.lineno}, column {error.colno}") from error
        return self._read["json"]

    @property
    def body(self) -> Json:
        """The body as an object.

        Raises:
            HubSpotError: 400, when it is something else.
        """
        if not isinstance(self.json, dict):
            raise invalid("Invalid input JSON on line 1, column 1: Cannot deserialize an object")
        return self.json

    def inputs(self, at_most: int) -> list[Json]:
        """A batch's inputs.

        Raises:
            HubSpotError: 400, when they are missing, not objects, or too many.
        """
        found = self.body.get("inputs")
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise invalid("Invalid input JSON: Some required fields were not set: [inputs]")
        if len(found) > at_most:
            raise invalid(f"The maximum number of inputs supported in a batch request is {at_most}, got {len(found)}")
        return found

    def one(self, name: str) -> str | None:
        """A query parameter's last value; None when it is absent or empty."""
        values = self.query.get(name)
        return (values[-1] or None) if values else None

    def names(self, name: str) -> list[str]:
        """A query parameter that lists names: repeated, or separated by commas."""
        return [part for value in self.query.get(name, ()) for part in value.split(",") if part]

    def is_set(self, name: str) -> bool:
        return (self.one(name) or "").lower() == "true"

    def kind(self, part: str = "type") -> ObjectType:
        """The object type that a part of the path names.

        Raises:
            HubSpotError: 400, when there is none.
        """
        return self.portal.kind(self.path[part])

    def limit(self, default: int, at_most: int) -> int:
        """The ``limit`` parameter.

        Raises:
            HubSpotError: 400, when it is no number or too large.
        """
        text = self.one("limit") or str(default)
        if not text.isdigit() or not 1 <= int(text) <= at_most:
            raise invalid(f"Invalid limit: {text}. It must be between 1 and {at_most}")
        return int(text)

    def after(self) -> int:
        """The ``after`` parameter; 0 at the beginning.

        Raises:
            HubSpotError: 400, when it is not a cursor that we gave out.
        """
        text = self.one("after") or "0"
        if not text.isdigit() or len(text) > 18:
            raise invalid(f"Invalid after: {text}")
        return int(text)

    def next_link(self, after: str) -> str:
        """The address of the page behind ``after``."""
        kept = [(name, value) for name, values in self.query.items() if name != "after" for value in values]
        return f"{self.origin}{self.path['']}?{urlencode([*kept, ('after', after)])}"
