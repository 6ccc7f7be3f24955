"""Schemas of HubSpot's requests and answers, derived from the models that its own Python client carries.

The client says what each call takes and gives: the path and method in its API classes, the names of fields in
``attribute_map``, their types in ``openapi_types``, what is required and which values are allowed in its setters. It
checks nothing of an answer, so we build strict schemas from all that, for pydantic's core to check: unknown fields are
refused, types are exact, instants carry their zone.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import hubspot
from pydantic_core import CoreSchema, SchemaValidator, core_schema

PACKAGES = (
    *("crm.objects", "crm.companies", "crm.contacts", "crm.deals", "crm.tickets"),
    *("crm.objects.tasks", "crm.objects.meetings", "crm.objects.calls", "crm.objects.emails", "crm.objects.notes"),
    *("crm.associations", "crm.associations.v4", "crm.properties", "crm.owners", "crm.pipelines", "crm.schemas"),
    "settings.users",
)
"""The parts of the client whose paths the sandbox serves."""

_CALL = re.compile(r"def (\w+)_with_http_info\((.*?)\).*?call_api\(\s*\"([^\"]+)\",\s*\"([A-Z]+)\"", re.DOTALL)
_BODY = re.compile(r":type (\w+): ([\w\[\], ]+)$", re.MULTILINE)
_ANSWER = re.compile(r"^\s+(\d{3}): \"([^\"]+)\"", re.MULTILINE)
_PLAIN: dict[str, CoreSchema] = {
    "str": core_schema.str_schema(strict=True),
    "int": core_schema.int_schema(strict=True),
    "float": core_schema.float_schema(strict=True),
    "bool": core_schema.bool_schema(strict=True),
    "datetime": core_schema.datetime_schema(tz_constraint="aware", strict=True),
    "object": core_schema.any_schema(),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One call that the client can make. Types are names of models, or of lists and dicts of them."""

    package: str
    method: str
    path: str
    takes: str | None
    gives: Mapping[int, str]

    def fits(self, method: str, path: str) -> bool:
        """Whether a request is of this call, whatever ids and names stand in its path."""
        return method == self.method and _pattern(self.path).fullmatch(path) is not None


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path.rstrip("/"))))


@cache
def operations() -> tuple[Operation, ...]:
    """The client's calls, those with fewest names in their path first."""
    found = (operation for package in PACKAGES for operation in _operations_of(package))
    return tuple(sorted(found, key=lambda each: each.path.count("{")))


@lru_cache(maxsize=4096)
def operation(method: str, path: str) -> Operation | None:
    """The call that asks for ``path``, if the client has one."""
    return next((each for each in operations() if each.fits(method, path.rstrip("/"))), None)


def _operations_of(package: str) -> Iterator[Operation]:
    folder = Path(hubspot.__file__).parent.joinpath(*package.split("."), "api")
    for file in sorted(folder.glob("*_api.py")):
        text = file.read_text(encoding="utf-8")
        starts = [found.start() for found in re.finditer(r"    def \w+_with_http_info\(", text)]
        for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
            yield _operation(package, text[start:end])


def _operation(package: str, text: str) -> Operation:
    called = _CALL.search(text)
    if called is None:
        raise ValueError(f"no call found in {package}: {text[:80]}")
    bodies = [kind for name, kind in _BODY.findall(text) if f'body_params = local_var_params["{name}"]' in text]
    answers = {int(status): kind for status, kind in _ANSWER.findall(text)}
    return Operation(package, called[4], called[3], bodies[0] if bodies else None, answers)


@cache
def schema(package: str, kind: str) -> SchemaValidator:
    """What checks JSON of the type ``kind``, as the models of ``package`` define it."""
    models = import_module(f"hubspot.{package}.models")
    return SchemaValidator(_type(models, kind))


def _type(models: ModuleType, kind: str, inside: tuple[str, ...] = ()) -> CoreSchema:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind.startswith("list["):
        return core_schema.list_schema(_type(models, kind[5:-1], inside))
    if kind.startswith("dict["):
        key, _, value = kind[5:-1].partition(", ")
        return core_schema.dict_schema(_type(models, key), _type(models, value, inside))
    if kind in inside:  # an error inside an error's context: one level is enough
        return core_schema.any_schema()
    vendor = getattr(models, kind)
    fields = {
        vendor.attribute_map[name]: core_schema.typed_dict_field(
            _field(models, vendor, name, (*inside, kind)), required=_is_required(vendor, name)
        )
        for name in vendor.openapi_types
    }
    return core_schema.typed_dict_schema(fields, extra_behavior="forbid")


def _field(models: ModuleType, vendor: Any, name: str, inside: tuple[str, ...]) -> CoreSchema:
    """The schema of one field; one that may be left out may also be null, as the client sends and takes it."""
    allowed = _allowed_values(vendor, name)
    declared = (
        core_schema.literal_schema(list(allowed)) if allowed else _type(models, vendor.openapi_types[name], inside)
    )
    return declared if _is_required(vendor, name) else core_schema.nullable_schema(declared)


def _is_required(vendor: Any, name: str) -> bool:
    """Whether the model's own setter refuses to be without a value."""
    return "must not be `None`" in _refusal(vendor, name, None)


def _allowed_values(vendor: Any, name: str) -> tuple[str, ...]:
    """The values that the model's own setter takes, when it takes only some."""
    said = re.search(r"must be one of (\[.*\])", _refusal(vendor, name, "\0")) or re.search(
        r"must be a subset of (\[.*\])", _refusal(vendor, name, ["\0"])
    )
    return tuple(ast.literal_eval(said[1])) if said and "list" not in vendor.openapi_types[name] else ()


def _refusal(vendor: Any, name: str, value: Any) -> str:
    bare = vendor.__new__(vendor)
    bare.local_vars_configuration = import_module(vendor.__module__.partition(".models")[0]).Configuration()
    bare.local_vars_configuration.client_side_validation = True  # which the client itself leaves off
    try:
        setattr(bare, name, value)
    except (ValueError, TypeError) as refused:
        return str(refused)
    return ""
