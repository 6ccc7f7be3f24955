"""The judge by HubSpot's own models: is every request one that HubSpot takes, and every answer one that it gives?

``v3`` and ``v4`` paths are the client's own. The dated paths are judged by the models of the paths that they replace;
what the dated specifications change is waived by name.
"""

import re
from collections.abc import Iterator

from pydantic_core import SchemaValidator, ValidationError

from tests.judges.exchanges import UNKNOWN, Exchange
from tests.judges.vendor_schema import Operation, operation, schema
from tests.judges.waivers import Finding

JUDGE = "hubspot-api-client models"
_SUCCESSORS = (
    (r"/crm/objects/20\d\d-\d\d/([^/]+/[^/]+/associations/.*)", r"/crm/v4/objects/\1"),
    (r"/crm/objects/20\d\d-\d\d/(.*)", r"/crm/v3/objects/\1"),
    (r"/crm/v4/objects/([^/]+(?:/(?!.*associations).*)?)", r"/crm/v3/objects/\1"),
    (r"/crm/associations/20\d\d-\d\d/(.*)", r"/crm/v4/associations/\1"),
    (r"/crm/(properties|owners|pipelines)/20\d\d-\d\d(.*)", r"/crm/v3/\1\2"),
    (r"/crm-object-schemas/20\d\d-\d\d/schemas(.*)", r"/crm-object-schemas/v3/schemas\1"),
    (r"/crm/v3/schemas(.*)", r"/crm-object-schemas/v3/schemas\1"),
    (r"/settings/users/20\d\d-\d\d(.*)", r"/settings/v3/users\1"),
)
"""Path as asked, and the path of the client's own that means the same."""
_MAPS = {"properties", "propertiesWithHistory", "context", "links"}
"""Fields that hold names of the portal's own."""


def judged_as(path: str) -> str:
    """The ``v3`` or ``v4`` path by whose models a path is judged."""
    for pattern, successor in _SUCCESSORS:
        if found := re.fullmatch(pattern, path):
            return found.expand(successor)
    return path


def checks(exchange: Exchange) -> list[str]:
    """What of an exchange the models can judge: ``request``, and ``answer`` with its status; nothing is no judge."""
    call = operation(exchange.method, judged_as(exchange.path))
    if call is None:
        return []
    asks = ["request"] if call.takes else []
    return [*asks, f"answer {exchange.status}"]


def findings(exchange: Exchange) -> Iterator[Finding]:
    """What the models say against an exchange; nothing when the client has no such call."""
    call = operation(exchange.method, judged_as(exchange.path))
    if call is None or exchange.template == UNKNOWN:
        return
    endpoint = f"{exchange.method} {exchange.template}"
    wrong = [*_of_request(exchange, call), *_of_answer(exchange, call)]
    for place, says in dict.fromkeys(wrong):
        yield Finding(JUDGE, endpoint, place, says, exchange.path)


def _of_request(exchange: Exchange, call: Operation) -> Iterator[tuple[str, str]]:
    is_wanted = exchange.status < 400  # what is refused need not be well formed
    if call.takes is None:
        if exchange.request:
            yield "request", "body_where_none_is_taken"
    elif is_wanted:
        yield from _wrong("request", schema(call.package, call.takes), exchange.request)


def _of_answer(exchange: Exchange, call: Operation) -> Iterator[tuple[str, str]]:
    place = f"answer {exchange.status}"
    if exchange.status >= 400:
        if "json" not in exchange.content_type:
            yield place, "not_json"
        else:
            yield from _wrong(place, schema(call.package, "Error"), exchange.answer)
    elif exchange.status in call.gives:
        yield from _wrong(place, schema(call.package, call.gives[exchange.status]), exchange.answer)
    elif exchange.answer:
        yield place, "status_unknown_to_the_client"
    elif call.gives:
        yield place, "nothing_where_an_answer_is_given"


def _wrong(place: str, expected: SchemaValidator, content: str) -> Iterator[tuple[str, str]]:
    try:
        expected.validate_json(content)
    except ValidationError as refused:
        for error in refused.errors(include_url=False, include_context=False, include_input=False):
            yield f"{place} {_generic(error['loc'])}".strip(), error["type"]


def _generic(location: tuple[int | str, ...]) -> str:
    """A place with ``*`` for the place in a list and for names of the portal's own."""
    parts: list[str] = []
    for part in location:
        is_name = isinstance(part, int) or (bool(parts) and parts[-1] in _MAPS)
        parts.append("*" if is_name else str(part))
    return ".".join(parts)
