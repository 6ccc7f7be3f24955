"""Which field of an org fills which column, when names are given, guessed or wrong."""

import pytest

from integrations.errors import CrmRefusedError
from integrations.salesforce import fields
from integrations.salesforce.fields import SalesforceConfig
from integrations.salesforce.mapping import Described, FieldInfo, proposed, resolved, silent_fields

ORG = """
Account | Id                    | id       | Account ID
Account | SystemModstamp        | datetime | System Modstamp
Account | IsDeleted             | boolean  | Deleted
Account | Name                  | string   | Account Name
Account | OwnerId               | reference:Owner>User | Owner ID
Account | ARR__c                | currency | Annual Recurring Revenue
Account | ACV_Last_Year__c      | currency | ACV Last Year
Account | Next_Renewal__c       | date     | Next Renewal
Account | Last_Renewed__c       | date     | Last Renewed
Account | CSM_Owner__c          | reference:CSM_Owner__r>User | Customer Success Manager
Account | ServiceTier__c        | picklist | Service Tier
Account | Segment__c            | boolean  | Segment
Account | Seats_Bought__c       | double   | Licensed Seats
User    | Id                    | id       | User ID
User    | Region__c             | picklist | Region
"""


def org(drawing: str = ORG) -> dict[str, Described]:
    """An org's describe from lines of ``object | field | type[:relationship>object] | label``."""
    found: dict[str, dict[str, FieldInfo]] = {}
    for line in drawing.strip().splitlines():
        sobject, name, kind, label = (cell.strip() for cell in line.split("|"))
        kind, _, reference = kind.partition(":")
        relationship, _, parent = reference.partition(">")
        is_custom, parents = name.endswith("__c"), (parent,) * bool(parent)
        info = FieldInfo(name, label, kind, False, is_custom, "Formula" in label, relationship or None, parents)
        found.setdefault(sobject, {})[name] = info
    return dict(found)


def config(**accounts: str) -> SalesforceConfig:
    return SalesforceConfig(base_url="https://acme.my.salesforce.com", fields={"accounts": accounts})


def test_only_fields_that_the_org_has_are_asked_for() -> None:
    found = resolved(fields.ACCOUNTS, org().get, config())
    assert set(found.values()) == {"Id", "SystemModstamp", "IsDeleted", "Name", "OwnerId"}


def test_a_default_of_another_type_is_another_field() -> None:
    assert "segment" not in resolved(fields.ACCOUNTS, org().get, config())


def test_settings_win_over_defaults_and_can_switch_one_off() -> None:
    found = resolved(fields.ACCOUNTS, org().get, config(arr_minor="ARR__c", segment="CSM_Owner__r.Region__c", name=""))
    assert (found["arr_minor"], found["segment"]) == ("ARR__c", "CSM_Owner__r.Region__c")
    assert "name" not in found


@pytest.mark.parametrize(
    ("column", "path", "says"),
    [
        ("renewal_date", "Next_Renewl__c", "no such field; did you mean 'Next_Renewal__c'"),
        ("arr_minor", "Next_Renewal__c", "is a date, which cannot hold a money"),
        ("segment", "CSM_Owner__r.Area__c", "no such field"),
        ("segment", "Nobody__r.Region__c", "no such field"),
    ],
)
def test_a_mapping_to_nothing_is_refused_with_the_nearest_name(column: str, path: str, says: str) -> None:
    with pytest.raises(CrmRefusedError) as raised:
        resolved(fields.ACCOUNTS, org().get, config(**{column: path}))
    assert f"fields.accounts.{column} = {path!r}" in str(raised.value)
    assert says in str(raised.value)


def test_a_hidden_object_is_refused() -> None:
    with pytest.raises(CrmRefusedError, match="no object Contact"):
        resolved(fields.CONTACTS, org().get, config())


def test_a_mapping_is_proposed_from_names_labels_and_types() -> None:
    assert proposed(org().get) == {
        "accounts": {
            "arr_minor": "ARR__c",
            "renewal_date": "Next_Renewal__c",
            "owner_crm_id": "CSM_Owner__c",
            "tier": "ServiceTier__c",
            "seats_count": "Seats_Bought__c",
        }
    }


def test_what_is_proposed_is_accepted() -> None:
    proposal = SalesforceConfig(base_url="https://acme.my.salesforce.com", fields=proposed(org().get))
    assert resolved(fields.ACCOUNTS, org().get, proposal)["renewal_date"] == "Next_Renewal__c"


def test_formulas_are_known_as_silent() -> None:
    describe = org(ORG + "Account | Total_ARR__c | currency | Total ARR (Formula)").get
    mapping = resolved(fields.ACCOUNTS, describe, config(arr_minor="Total_ARR__c"))
    assert silent_fields(fields.ACCOUNTS, mapping, describe) == ["Total_ARR__c"]
    assert silent_fields(fields.ACCOUNTS, resolved(fields.ACCOUNTS, describe, config()), describe) == []
