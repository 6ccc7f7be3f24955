"""Which objects the org has for the request that is being answered.

Deployed objects and fields come and go while the sandbox runs, and each state is an org of its own, so what the org has
is no constant: it is looked up in the context of the request. Outside of any, it is the org of the samples.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace

from integrations.sandbox.salesforce_schema import Field, SObject, linked


@dataclass(frozen=True, slots=True)
class OrgObjects:
    """The objects that the API shows: by lower-case name, and by the prefix of their ids."""

    by_name: Mapping[str, SObject]
    by_prefix: Mapping[str, SObject]

    @classmethod
    def of(cls, objects: Sequence[SObject]) -> "OrgObjects":
        """The objects, linked anew; references to objects that the org lacks lead nowhere."""
        names = {each.name for each in objects}
        found = linked(_apart(each, names) for each in objects)
        return cls(found, {each.key_prefix: each for each in found.values() if not each.is_history})


def _apart(entity: SObject, names: set[str]) -> SObject:
    """A copy whose children are its own, and whose references lead to objects that exist."""
    fields = tuple(each if names.issuperset(each.refers_to) else _within(each, names) for each in entity.own_fields)
    return replace(entity, own_fields=fields, children=[])


def _within(field: Field, names: set[str]) -> Field:
    return replace(field, refers_to=tuple(name for name in field.refers_to if name in names))


ORG: ContextVar[OrgObjects | None] = ContextVar("org", default=None)
"""Of the request that is being answered."""


class _Current(Mapping[str, SObject]):
    def __init__(self, otherwise: OrgObjects) -> None:
        self._otherwise = otherwise

    def _org(self) -> OrgObjects:
        return ORG.get() or self._otherwise

    def _found(self) -> Mapping[str, SObject]:
        raise NotImplementedError

    def __getitem__(self, key: str) -> SObject:
        return self._found()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())


class CurrentObjects(_Current):
    """The objects by lower-case name."""

    def _found(self) -> Mapping[str, SObject]:
        return self._org().by_name


class CurrentPrefixes(_Current):
    """The objects by the prefix of their ids."""

    def _found(self) -> Mapping[str, SObject]:
        return self._org().by_prefix
