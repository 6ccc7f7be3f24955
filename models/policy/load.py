"""Reads policy packs. A company's pack says only what differs; the rest comes from ``default.yaml``."""

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from models.policy.pack import Policy

DEFAULT_PACK = Path(__file__).with_name("default.yaml")
SCHEMA_FILE = Path(__file__).with_name("schema.json")


class PolicyError(ValueError):
    """A pack that cannot be used. The message names file, line, key and the nearest valid name; ``line`` is None where
    the file could not be read at all.
    """

    def __init__(self, file: Path, line: int | None, key: str, problem: str, nearest: str | None = None) -> None:
        self.file, self.line, self.key, self.problem, self.nearest = file, line, key, problem, nearest
        hint = f"; did you mean '{nearest}'?" if nearest else ""
        where = f" {key}:" if key else ""
        place = str(file) if line is None else f"{file}:{line}"
        super().__init__(f"{place}:{where} {problem}{hint}")


def load_policy(path: Path | None = None) -> Policy:
    """Read a pack and lay it over the default one.

    Mappings are merged key by key, anything else is replaced, and ``null`` takes an entry out.

    Args:
        path: A company's pack; None is the default pack alone.

    Raises:
        PolicyError: The file cannot be read, is not YAML, or says something that no pack may say.
    """
    default = _Pack(DEFAULT_PACK)
    pack = default if path is None else _Pack(path)
    try:
        return Policy.model_validate(_merged(default.content, pack.content))
    except ValidationError as error:
        raise _explained(pack, error) from error  # the default is sound: what is wrong stands in the company's pack


def schema_text() -> str:
    """The JSON Schema of a company's pack, for editors: nothing is required, since the default fills the rest."""
    schema = _without_required(Policy.model_json_schema())
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


class _Pack:
    """A YAML file with the line of every key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            self.content: Any = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise PolicyError(path, mark.line + 1 if mark else 1, "", f"not YAML: {error.problem}") from error
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            problem = f"cannot be read: {type(error).__name__}; [policy] path in plansync.toml names this file"
            raise PolicyError(path, None, "", problem) from error
        if not isinstance(root, yaml.MappingNode):
            raise PolicyError(path, 1, "", "a policy pack is a mapping of names to values")
        self.root = root
        self._refuse_repeated_keys(root, ())

    def _refuse_repeated_keys(self, node: yaml.Node, above: tuple[str, ...]) -> None:
        seen: set[str] = set()
        for key, value in _entries(node):
            if key.value in seen:
                raise PolicyError(self.path, key.start_mark.line + 1, ".".join((*above, key.value)), "stands twice")
            seen.add(key.value)
            self._refuse_repeated_keys(value, (*above, key.value))

    def line(self, place: Sequence[str | int], wrong: str) -> int:
        """The line of ``place``, as far as this file has it; of the value ``wrong`` inside of it, if there is one."""
        node: yaml.Node = self.root
        line = 1
        for part in place:
            step = _child(node, part)
            if step is not None:
                line, node = step
        inside = (scalar for scalar in _scalars(node) if scalar.value == wrong)
        named = next(inside, None)
        return line if named is None else named.start_mark.line + 1


def _scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    for inner in node.value if isinstance(node, yaml.CollectionNode) else ():
        for each in inner if isinstance(inner, tuple) else (inner,):
            yield from _scalars(each)


def _entries(node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from node.value


def _child(node: yaml.Node, part: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    for key, value in _entries(node):
        if key.value == str(part):
            return key.start_mark.line + 1, value
    return None


def _merged(under: Any, over: Any) -> Any:
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    kept = {key: value for key, value in under.items() if key not in over}
    changed = {key: _merged(under.get(key), value) for key, value in over.items() if value is not None}
    return kept | changed


def _explained(pack: _Pack, error: ValidationError) -> PolicyError:
    first = error.errors()[0]
    place = [part for part in first["loc"] if part != "[key]"]
    wrong = _wrong_name(first, place)
    line = pack.line(place, wrong)
    nearest = difflib.get_close_matches(wrong, _valid_names(first, place), n=1, cutoff=0.5)
    return PolicyError(pack.path, line, ".".join(map(str, place)), _problem(first), nearest[0] if nearest else None)


def _problem(error: Any) -> str:
    named = {"extra_forbidden": "is unknown", "literal_error": "is not a valid name", "enum": "is not a valid name"}
    text: str = named.get(error["type"], error["msg"])
    return text


def _wrong_name(error: Any, place: Sequence[str | int]) -> str:
    if error["type"] in ("literal_error", "enum"):
        return str(error["input"])
    context = error.get("ctx", {})
    return str(context.get("name", context.get("tag", place[-1] if place else "")))


def _valid_names(error: Any, place: Sequence[str | int]) -> list[str]:
    context = error.get("ctx", {})
    if "known" in context:
        return [str(name) for name in context["known"]]
    if "expected" in context or "expected_tags" in context:
        return re.findall(r"'([^']+)'", str(context.get("expected", context.get("expected_tags"))))
    return _fields_at(place[:-1]) if error["type"] == "extra_forbidden" else []


def _fields_at(place: Sequence[str | int]) -> list[str]:
    """Names that a pack may use at ``place``: walks the types, so that it cannot disagree with them."""
    level: list[Any] = [Policy]
    for part in place:
        level = [inner for kind in level for inner in _inside(kind, part)]
    return sorted({name for kind in level for name in _model_fields(kind)})


def _model_fields(kind: Any) -> list[str]:
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _inside(kind: Any, part: str | int) -> list[Any]:
    if part in _model_fields(kind):
        return _unwrapped(kind.model_fields[part].annotation)
    return [kind]  # a key of a mapping, an index, or the tag of a union: the type below it was unwrapped already


def _unwrapped(annotation: Any) -> list[Any]:
    arguments = getattr(annotation, "__args__", ())
    return [annotation] if not arguments else [inner for each in arguments for inner in _unwrapped(each)]


def _without_required(node: Any) -> Any:
    if isinstance(node, dict):
        # "required" under "properties" would be a field of that name; packs have none
        return {key: _without_required(value) for key, value in node.items() if key != "required"}
    return [_without_required(value) for value in node] if isinstance(node, list) else node
