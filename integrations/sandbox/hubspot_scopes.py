"""Which scopes a call needs. One of those named is enough.

*Scopes* (developers.hubspot.com): tasks, notes, meetings, calls and emails go by the scopes of contacts, tickets by the
one scope ``tickets``, custom objects by ``custom``; a definition can be read by who may read the records.
"""

from collections.abc import Sequence
from typing import Literal

from integrations.sandbox.hubspot_types import ObjectType

Act = Literal["read", "write"]

_AS_CONTACTS = frozenset({"tasks", "notes", "meetings", "calls", "emails", "communications", "postal_mail"})
_OTHER_NAMES = {"products": "e-commerce"}


def _word(kind: ObjectType) -> str:
    if kind.is_custom:
        return "custom"
    return "contacts" if kind.plural in _AS_CONTACTS else kind.plural


def of_records(kind: ObjectType, act: Act) -> Sequence[str]:
    """To read or write records and what they are associated with."""
    granular = f"crm.objects.{_word(kind)}.{act}"
    if kind.plural == "tickets":
        return ("tickets", granular)
    return (granular, _OTHER_NAMES[kind.plural]) if kind.plural in _OTHER_NAMES else (granular,)


def of_definitions(kind: ObjectType, act: Act) -> Sequence[str]:
    """To read or write properties, groups, pipelines and association labels."""
    schema = f"crm.schemas.{_word(kind)}.{act}"
    if act == "read" or kind.plural in {"tickets", *_AS_CONTACTS}:
        return (*of_records(kind, act), schema)
    return (schema,)


def of_schemas(act: Act) -> Sequence[str]:
    """To read or write the schemas of custom objects."""
    return (f"crm.schemas.custom.{act}",)


def _all() -> tuple[str, ...]:
    words = ("companies", "contacts", "custom", "deals", "leads", "line_items", "products", "quotes")
    pairs = [
        f"crm.{what}.{word}.{act}" for what in ("objects", "schemas") for word in words for act in ("read", "write")
    ]
    others = ("oauth", "tickets", "crm.objects.owners.read", "crm.lists.read", "content", "e-commerce")
    return tuple(sorted({*pairs, *others, "settings.users.read", "settings.users.teams.read"}))


ALL = _all()
"""What a token holds that may do everything."""
OF_OWNERS: Sequence[str] = ("crm.objects.owners.read",)
OF_USERS: Sequence[str] = ("settings.users.read",)
OF_TEAMS: Sequence[str] = ("settings.users.teams.read",)
OF_LISTS: Sequence[str] = ("crm.lists.read",)
OF_SUBSCRIPTIONS: Sequence[str] = ("content",)
