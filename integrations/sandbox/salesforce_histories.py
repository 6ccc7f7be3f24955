"""The objects that keep what changed: one row per tracked field and change, and the snapshots of opportunities.

Follows the object reference's pages "AccountHistory", "OpportunityFieldHistory" and "OpportunityHistory". Ids of all
field histories begin with 017, and describe names no prefix for them.
"""

from integrations.sandbox.salesforce_schema import Field, SObject, derived, picklist, reference, typed

PREFIX = "017"
CREATED = "created"

_TYPES = (
    "AnyType",
    "Boolean",
    "Currency",
    "DateOnly",
    "DateTime",
    "Double",
    "DynamicEnum",
    "EntityId",
    "Percent",
    "Text",
)

OPPORTUNITY_HISTORY = SObject(
    "OpportunityHistory",
    "Opportunity: Stage History",
    "008",
    (
        reference("OpportunityId", "Opportunity", relationship="Opportunity", children="OpportunityHistories",
                  cascades=True, written=False),
        picklist("StageName", written=False),
        typed("Amount", "currency", scale=2, written=False),
        typed("Probability", "percent", written=False),
        typed("CloseDate", "date", written=False),
        derived("SystemModstamp", "datetime"),
    ),
    indexed=("OpportunityId",),
    has_owner=False,
    can_be_written=False,
    is_history=True,
    record_name="Id",
)  # fmt: skip


def history_name(entity: SObject) -> str:
    """What the field history of an object is called."""
    if entity.is_custom:
        return entity.name.removesuffix("__c") + "__History"
    return "OpportunityFieldHistory" if entity.name == "Opportunity" else f"{entity.name}History"


def parent_field(entity: SObject) -> str:
    """The field with which a row of the field history of ``entity`` names its record."""
    return "ParentId" if entity.is_custom else f"{entity.name}Id"


def tracked_name(field: Field) -> str:
    """What ``Field`` holds for a change of this field: a standard lookup goes by its relationship's name."""
    is_lookup = field.type == "reference" and not field.is_custom
    return str(field.relationship) if is_lookup else field.name


def history_of(entity: SObject) -> SObject:
    """The field history of an object that tracks fields."""
    parent = parent_field(entity)
    link = reference(
        parent, entity.name, relationship=parent.removesuffix("Id"), children="Histories", cascades=True, written=False
    )
    names = (CREATED, *(tracked_name(entity.by_name[each.lower()]) for each in entity.tracked))
    own = (
        link,
        picklist("Field", *names, restricted=True, written=False),
        picklist("DataType", *_TYPES, restricted=True, written=False),
        derived("OldValue", "anyType"),
        derived("NewValue", "anyType"),
    )
    label = f"{entity.label} History"
    return SObject(
        history_name(entity), label, PREFIX, own, indexed=(parent,), has_owner=False, can_be_written=False,
        is_history=True, record_name="Id",
    )  # fmt: skip
