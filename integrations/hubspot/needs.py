"""What plansync needs in a HubSpot portal, said once: properties and their groups, and the scopes of its key.

``provision`` and ``doctor`` compare and create from here, and the page of permissions is made from it. Only plansync's
own properties are listed: those that hold ARR, renewal date and the like are the portal's, and
``[hubspot.properties]`` maps them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from integrations.hubspot.fields import HEALTH_BAND, HEALTH_SCORE, KEY, RENEWAL_DATE, SECTION_PROPERTIES
from models.enums import Band

GROUP, GROUP_LABEL = "success_plan", "Success plan"


@dataclass(frozen=True, slots=True)
class NeededProperty:
    """One property of one object type.

    ``type`` and ``field_type`` are HubSpot's words; ``options`` are the values of an enumeration, more in the portal
    are fine. ``is_key`` asks for unique values: HubSpot grants that when the property is made, or never.
    """

    of: str
    name: str
    label: str
    type: str
    field_type: str
    options: tuple[str, ...] = ()
    is_key: bool = False

    @property
    def full_name(self) -> str:
        """``companies.plansync_key``."""
        return f"{self.of}.{self.name}"

    @property
    def wanted(self) -> str:
        """What it must be, for people."""
        said = {"text": "line of text", "textarea": "text", "select": "dropdown"}.get(self.field_type, self.type)
        said += f": {', '.join(self.options)}" if self.options else ""
        return f"{said}, unique" if self.is_key else said


@dataclass(frozen=True, slots=True)
class NeededScope:
    """A right of the key. ``or_else`` names what does as well; ``why`` is for people."""

    name: str
    why: str
    or_else: tuple[str, ...] = ()

    def is_held(self, held: frozenset[str]) -> bool:
        """Whether a key with these scopes has it."""
        return not held.isdisjoint({self.name, *self.or_else})


def _key_of(object_type: str) -> NeededProperty:
    return NeededProperty(object_type, KEY, "plansync key", "string", "text", is_key=True)


PROPERTIES: tuple[NeededProperty, ...] = (
    _key_of("companies"),
    NeededProperty("companies", HEALTH_SCORE, "Health score", "number", "number"),
    NeededProperty("companies", HEALTH_BAND, "Health band", "enumeration", "select", options=tuple(map(str, Band))),
    NeededProperty("companies", RENEWAL_DATE, "Renewal date", "date", "date"),
    *(
        NeededProperty("companies", name, f"Plan: {section.replace('_', ' ')}", "string", "textarea")
        for section, name in SECTION_PROPERTIES.items()
    ),
    _key_of("tasks"),
)

NIGHTLY_SCOPES: tuple[NeededScope, ...] = (
    NeededScope("crm.objects.companies.read", "read companies and the plans on them"),
    NeededScope("crm.objects.companies.write", "write plans: the plansync properties of companies"),
    NeededScope("crm.objects.contacts.read", "read contacts, and tasks, meetings, calls and emails, which go by it"),
    NeededScope("crm.objects.contacts.write", "create and close tasks, which go by it"),
    NeededScope("crm.objects.deals.read", "read deals"),
    NeededScope("crm.objects.owners.read", "read owners"),
    NeededScope(
        "tickets", "read tickets; HubSpot has no narrower scope for keys that know none", ("crm.objects.tickets.read",)
    ),
)
"""What the key of the nightly run needs, and no more."""

PROVISION_SCOPES: tuple[NeededScope, ...] = (
    NeededScope("crm.schemas.companies.write", "make the property group and properties of companies"),
    NeededScope("crm.schemas.contacts.write", "make the property of tasks, which go by the scopes of contacts"),
)
"""What the key of an admin needs besides, once, to provision."""

TOLERATED_SCOPES = frozenset({"oauth", "sales-email-read", "crm.objects.tickets.read"})
"""Held without harm: HubSpot adds the first by itself; the second shows subjects of emails in some portals."""


def object_types() -> Iterator[str]:
    """The object types that get properties, each once."""
    yield from dict.fromkeys(each.of for each in PROPERTIES)


def excess(held: frozenset[str]) -> list[str]:
    """The scopes that a nightly key holds without need."""
    return sorted(held - {each.name for each in NIGHTLY_SCOPES} - TOLERATED_SCOPES)


def lacking(held: frozenset[str], needed: tuple[NeededScope, ...] = NIGHTLY_SCOPES) -> list[str]:
    """The scopes that a key needs and does not hold."""
    return [each.name for each in needed if not each.is_held(held)]


def labels(needed: NeededProperty) -> list[Mapping[str, object]]:
    """The options of an enumeration as HubSpot takes them."""
    return [
        {"value": value, "label": value.replace("_", " ").capitalize(), "displayOrder": order, "hidden": False}
        for order, value in enumerate(needed.options)
    ]
