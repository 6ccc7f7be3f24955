"""Settings against what the org says of itself: which field fills which column, and what to propose instead."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rapidfuzz import fuzz, process

from integrations.errors import CrmRefusedError, FieldMismatchError
from integrations.salesforce.fields import FITTING, SOURCES, Column, Kind, SalesforceConfig, Source

PROPOSAL_SCORE = 85.0
"""How alike (0-100) a field's name or label and a hint must be to be proposed."""


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """What describe says of one field.

    ``is_key`` means that records can be upserted by it; ``is_calculated``, that it changes without ``SystemModstamp``.
    """

    name: str
    label: str
    type: str
    is_key: bool
    is_custom: bool
    is_calculated: bool
    relationship: str | None
    refers_to: tuple[str, ...]


Described = Mapping[str, FieldInfo]
Describe = Callable[[str], Described | None]
"""The fields of an object by name, or None if the org has no such object or does not show it."""


def described(answer: Mapping[str, Any]) -> Described:
    """The fields in one describe answer, by name."""
    return {each["name"]: _field_info(each) for each in answer["fields"]}


def _field_info(raw: Mapping[str, Any]) -> FieldInfo:
    return FieldInfo(
        name=raw["name"],
        label=raw.get("label") or raw["name"],
        type=raw["type"],
        is_key=bool(raw.get("externalId")) and bool(raw.get("unique")),
        is_custom=bool(raw.get("custom")),
        is_calculated=bool(raw.get("calculated")),
        relationship=raw.get("relationshipName"),
        refers_to=tuple(raw.get("referenceTo") or ()),
    )


def field_at(describe: Describe, sobject: str, path: str) -> FieldInfo | None:
    """The field at the end of ``path``, which may lead over relationships; None where the org has none."""
    fields = describe(sobject)
    head, _, rest = path.partition(".")
    if fields is None or not rest:
        return fields.get(path) if fields else None
    parents = [parent for info in fields.values() if info.relationship == head for parent in info.refers_to]
    return next((found for parent in parents if (found := field_at(describe, parent, rest))), None)


def resolved(source: Source, describe: Describe, config: SalesforceConfig) -> dict[str, str]:
    """The field that fills each column of ``source``; columns for which the org has none are left out.

    Raises:
        FieldMismatchError: The settings map a column to a field that does not exist or holds something else.
        CrmRefusedError: The object is hidden.
    """
    if describe(source.sobject) is None:
        raise CrmRefusedError(f"salesforce: no object {source.sobject} in this org, or no permission to see it")
    for column in source.columns:
        for problem in mapping_problems(replace(source, columns=(column,)), describe, config):
            raise FieldMismatchError(
                f"salesforce: {problem}", setting=("salesforce", "fields", source.object, column.name)
            )
    found = {column.name: chosen(source, column, describe, config) for column in source.columns}
    return {name: path for name, path in found.items() if path is not None}


def silent_fields(source: Source, mapping: Mapping[str, str], describe: Describe) -> list[str]:
    """The mapped fields whose values change without a trace in ``SystemModstamp``: formulas and roll-ups."""
    found = ((path, field_at(describe, source.sobject, path)) for path in mapping.values())
    return [path for path, info in found if info and info.is_calculated]


def mapping_problems(source: Source, describe: Describe, config: SalesforceConfig) -> Iterator[str]:
    """What is wrong with the settings' mapping of ``source``, a line each, naming the nearest field that would do."""
    overrides = config.fields.get(source.object, {})
    for column in source.columns:
        path = overrides.get(column.name)
        if not path:
            continue
        info = field_at(describe, source.sobject, path)
        where = f"fields.{source.object}.{column.name} = {path!r}"
        if info is None:
            hint = nearest(path, describe(source.sobject) or {}, column.kind)
            yield f"{where}: {source.sobject} has no such field{hint}"
        elif info.type not in FITTING[column.kind]:
            yield f"{where}: is a {info.type}, which cannot hold a {column.kind}"


def nearest(path: str, fields: Described, kind: Kind) -> str:
    """``; did you mean 'X'?`` with the field of a fitting type whose name is most like ``path``, or nothing."""
    names = [name for name, info in fields.items() if info.type in FITTING[kind]]
    match = process.extractOne(path, names, scorer=fuzz.WRatio, processor=str.lower, score_cutoff=60)
    return f"; did you mean {match[0]!r}?" if match else ""


def chosen(source: Source, column: Column, describe: Describe, config: SalesforceConfig) -> str | None:
    """The field that fills ``column``: what the settings say, else the first candidate that exists and fits."""
    override = config.fields.get(source.object, {}).get(column.name)
    if override is not None:
        return override or None
    for path in column.candidates:
        info = field_at(describe, source.sobject, path)
        if info and info.type in FITTING[column.kind]:
            return path
    return None


def proposed(describe: Describe) -> dict[str, dict[str, str]]:
    """Per object, the custom fields that by name, label and type most look like the columns that orgs name."""
    proposal: dict[str, dict[str, str]] = {}
    for source in (each for sources in SOURCES.values() for each in sources):
        fields = describe(source.sobject)
        for column in source.columns if fields else ():
            best = _best(column, fields or {})
            if best and source.object:
                proposal.setdefault(source.object, {}).setdefault(column.name, best)
    return proposal


def _best(column: Column, fields: Described) -> str | None:
    scored = [
        (_likeness(column, info), info.name)
        for info in fields.values()
        if column.hints and info.is_custom and info.type in FITTING[column.kind]
    ]
    score, name = max(scored, default=(0.0, ""))
    return name if score >= PROPOSAL_SCORE else None


def _likeness(column: Column, info: FieldInfo) -> float:
    """0-100; the first hint is the best name, later ones are worth slightly less."""
    names = (_words(info.name.removesuffix("__c")), _words(info.label))
    return max(
        (fuzz.token_sort_ratio(hint, name) - rank for rank, hint in enumerate(column.hints) for name in names),
        default=0.0,
    )


def _words(name: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.sub(r"[^a-z0-9]+", " ", spaced.lower()).strip()
