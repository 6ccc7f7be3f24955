"""The page of what plansync needs in both CRMs: `python -m flows.permissions_page` prints it."""

import sys
from collections.abc import Iterable, Iterator

from integrations.hubspot import needs as hubspot
from integrations.salesforce import needs as salesforce

INTRODUCTION = """\
# What plansync needs in your CRMs

This page is made from what `plansync provision` creates and `plansync doctor` checks:
`python -m flows.permissions_page` prints it. Nothing of the business is on it: where ARR, renewal date, tier and owner
stand is said in `plansync.toml`.

An admin provisions once, with rights that the nightly run must not have:

```sh
plansync provision hubspot --check      # what is there, what is missing, what differs; exit 0, 10 or 6
plansync provision hubspot              # makes what is missing; again: makes nothing
plansync provision salesforce --check
plansync provision salesforce --assign integration@acme.example     # ... and gives that user the permission set
plansync provision salesforce --package plansync-package            # or: files for `sf project deploy start`
```

What is there and differs is named and left alone. `plansync doctor` runs with the nightly credentials: it fails where a
right is lacking, and warns where there are more than listed here; `--strict` fails on that, too.

## Key modes

plansync never writes a record twice, not even after a crash or a lost answer. How depends on the CRM.

- **Mode a, unique key.** The CRM keeps `plansync_key` unique; new records are upserted or refused by it. Nothing is
  left open.
- **Mode b, stamp, query, create.** The CRM only keeps `plansync_key`. Before a task is made again, the tasks of its
  company are read and compared. What this cannot exclude is a second installation that writes at the same moment.

Salesforce is always in mode a: without a unique external id nothing is written. HubSpot is in mode a where the portal
allows unique properties of tasks, which it grants when the property is made or never. Where it refuses, `provision`
makes the property without, says so, and `doctor` names mode b.
"""
HUBSPOT = "## HubSpot\n\nScopes of the service key of the nightly run, and no others:\n"
PROVISIONING = "\nScopes that an admin's key needs besides, to provision:\n"
SALESFORCE = f"""
## Salesforce

The nightly run signs in as a user of its own who has the permission set `{salesforce.PERMISSION_SET}` and a profile
that grants little else. The set grants the user rights {{rights}}, and these on objects:
"""
FIELD_RIGHTS = """
On fields it grants reading, and editing of those that the nightly run writes. Grant the same user reading on the fields
that `[salesforce.fields]` maps. The admin who provisions needs the user rights {provision} (and
`AssignPermissionSets` for `--assign`). `doctor` warns of a nightly user who holds {excess}.
"""


def page() -> str:
    """The page, as Markdown."""
    rights = SALESFORCE.format(rights=_named(salesforce.USER_RIGHTS))
    fields = FIELD_RIGHTS.format(
        provision=_named(salesforce.PROVISION_RIGHTS), excess=_named(salesforce.EXCESSIVE_RIGHTS)
    )
    parts = [INTRODUCTION, HUBSPOT, _scopes(hubspot.NIGHTLY_SCOPES), PROVISIONING, _scopes(hubspot.PROVISION_SCOPES)]
    parts += [_properties(), rights, _objects(), fields, _fields()]
    return "\n".join(parts)


def _scopes(scopes: Iterable[hubspot.NeededScope]) -> str:
    return _table("scope | to", ((f"`{each.name}`", each.why) for each in scopes))


def _properties() -> str:
    title = f"\nProperties, in the group `{hubspot.GROUP}`:\n\n"
    rows = ((each.of, f"`{each.name}`", each.wanted) for each in hubspot.PROPERTIES)
    return title + _table("object | property | is", rows)


def _objects() -> str:
    rows = (
        (f"`{each.sobject}`", _ticked(True), _ticked(each.creates), _ticked(each.edits), _ticked(each.sees_all))
        for each in salesforce.OBJECT_RIGHTS
    )
    return _table("object | read | create | edit | records of every owner", rows)


def _fields() -> str:
    rows = (
        (f"`{home}`", f"`{each.name}`", each.wanted, "yes" if each.is_written else "reads")
        for home, fields in salesforce.homes().items()
        for each in fields
    )
    return _table("object | field | is | nightly run writes", rows)


def _ticked(is_so: bool) -> str:
    return "yes" if is_so else ""


def _named(rights: Iterable[str]) -> str:
    return ", ".join(f"`{each}`" for each in rights)


def _table(heads: str, rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(_lines(heads, rows)) + "\n"


def _lines(heads: str, rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {heads} |"
    yield "|" + "---|" * (heads.count("|") + 1)
    yield from (f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    sys.stdout.write(page())
