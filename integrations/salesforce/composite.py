"""Several Collections in one call: what is asked of the composite resource, and what its answer says of each record."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from integrations.errors import CrmRefusedError, CrmUnavailableError
from integrations.salesforce.wire import CRM, described_error, error_code, judge
from integrations.transport import Answer, Verdict

Part = tuple[str, Sequence[Mapping[str, Any]]]
"""A Collections call: its path after ``composite/sobjects``, and its records."""

WRITE_HEADERS = {"Sforce-Auto-Assign": "FALSE", "Sforce-Duplicate-Rule-Header": "allowSave=true"}
"""Requests inside a composite do not inherit these: each names its own."""

REFERENCE_MARK = "@{"
"""How the body of a composite refers to an earlier answer. There is no way to write it as plain text."""

LOCKED = frozenset({"UNABLE_TO_LOCK_ROW", "ENTITY_IS_LOCKED", "RECORD_LOCKED", "TOO_MANY_APEX_REQUESTS"})
"""Refusals that smaller batches, one after the other, often overcome."""


def composite_body(url: str, parts: Sequence[Part]) -> dict[str, Any]:
    """The request: every part, and every record in it, succeeds or fails by itself."""
    inner = [
        {
            "method": "PATCH",
            "url": f"{url}/sobjects{path}",
            "referenceId": _reference(number),
            "httpHeaders": WRITE_HEADERS,
            "body": {"allOrNone": False, "records": records},
        }
        for number, (path, records) in enumerate(parts)
    ]
    return {"allOrNone": False, "compositeRequest": inner}


def results_of(answer: object, parts: Sequence[Part]) -> list[dict[str, Any]]:
    """One result per record, in order; a part that was refused whole is a refusal of each of its records.

    Raises:
        CrmUnavailableError: A part broke or has no fitting answer: the effect is unknown.
        CrmRefusedError: Every part was refused: nothing happened.
    """
    answers = _by_reference(answer)
    found = [
        _part_results(answers.get(_reference(number), {}), len(records)) for number, (_, records) in enumerate(parts)
    ]
    refusals = [each for each in found if isinstance(each, Answer)]
    if len(refusals) == len(parts) and not all(error_code(each) in LOCKED for each in refusals):
        told = "; ".join(f"HTTP {each.status} {described_error(each)}" for each in refusals)
        raise CrmRefusedError(f"{CRM}: POST composite: {told}")
    return [
        result
        for each, (_, records) in zip(found, parts, strict=True)
        for result in (_refused(each, len(records)) if isinstance(each, Answer) else each)
    ]


def _reference(number: int) -> str:
    return f"part_{number}"


def _by_reference(answer: object) -> dict[str, Mapping[str, Any]]:
    listed = answer.get("compositeResponse") if isinstance(answer, dict) else None
    each_ = listed if isinstance(listed, list) else []
    return {str(each.get("referenceId")): each for each in each_ if isinstance(each, dict)}


def _part_results(answer: Mapping[str, Any], count: int) -> list[dict[str, Any]] | Answer:
    """A part's results, or the answer by which it was refused whole."""
    status, body = answer.get("httpStatusCode"), answer.get("body")
    if isinstance(status, int) and status >= 400:
        refusal = Answer(status, {}, orjson.dumps(body))
        if judge(refusal) is Verdict.REFUSED or error_code(refusal) in LOCKED:
            return refusal
        told = f"HTTP {status} {described_error(refusal)}"
        raise CrmUnavailableError(f"{CRM}: POST composite: {told}; the effect is unknown")
    if not isinstance(body, list) or len(body) != count:
        raise CrmUnavailableError(f"{CRM}: POST composite: the answer does not match the batch; its effect is unknown")
    return body


def _refused(refusal: Answer, count: int) -> list[dict[str, Any]]:
    code = error_code(refusal) or f"HTTP_{refusal.status}"
    message = f"refused with all of its part of the call: {described_error(refusal)}"
    return [{"success": False, "errors": [{"statusCode": code, "message": message}]}] * count
