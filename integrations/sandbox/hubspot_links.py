"""Associations as rows: both directions, an unlabelled type beside every label, one primary company a record.

Between HubSpot's own types, the plain type is HubSpot's; with a custom object it is the portal's own, made with the
schema or with the pair's first label.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from integrations.sandbox.hubspot_portal import LIVE, Portal
from integrations.sandbox.hubspot_types import ObjectType

_CONTACT, _COMPANY, _DEAL, _TICKET = 1, 2, 3, 5
_ADD = "INSERT OR IGNORE INTO hubspot__associations VALUES (?, ?, ?, ?, ?, ?)"

UNLABELLED: Mapping[tuple[int, int], int] = (
    {
        (_CONTACT, _CONTACT): 449,
        (_CONTACT, _COMPANY): 279,
        (_COMPANY, _CONTACT): 280,
        (_CONTACT, _DEAL): 4,
        (_DEAL, _CONTACT): 3,
        (_CONTACT, _TICKET): 15,
        (_TICKET, _CONTACT): 16,
        (_COMPANY, _COMPANY): 450,
        (_DEAL, _COMPANY): 341,
        (_COMPANY, _DEAL): 342,
        (_TICKET, _COMPANY): 339,
        (_COMPANY, _TICKET): 340,
        (_DEAL, _TICKET): 27,
        (_TICKET, _DEAL): 28,
        (_DEAL, 8): 19,
        (8, _DEAL): 20,
        (_DEAL, 14): 63,
        (14, _DEAL): 64,
        (14, 8): 67,
        (8, 14): 68,
    }
    | {
        pair: type_id
        for engagement, first in {48: 181, 49: 185, 47: 187, 46: 189, 27: 191}.items()
        for pair, type_id in (
            ((_COMPANY, engagement), first),
            ((engagement, _COMPANY), first + 1),
            ((_CONTACT, engagement), first + 12),
            ((engagement, _CONTACT), first + 13),
        )
    }
    | {
        pair: type_id
        for engagement, first in {48: 205, 49: 209, 47: 211, 46: 213, 27: 215}.items()
        for pair, type_id in (
            ((_DEAL, engagement), first),
            ((engagement, _DEAL), first + 1),
            ((_TICKET, engagement), first + 14),
            ((engagement, _TICKET), first + 15),
        )
    }
)
"""The type of a plain association, by the numbers of the two object types."""
PRIMARY: Mapping[tuple[int, int], int] = {
    (_CONTACT, _COMPANY): 1,
    (_COMPANY, _CONTACT): 2,
    (_DEAL, _COMPANY): 5,
    (_COMPANY, _DEAL): 6,
    (_TICKET, _COMPANY): 26,
    (_COMPANY, _TICKET): 25,
}
"""The type of an association with the primary company."""
LABELLED: Mapping[tuple[int, int], Mapping[int, str]] = {
    (_COMPANY, _COMPANY): {13: "Child Company", 14: "Parent Company"}
}
_OTHER_END = {13: 14, 14: 13}
_BY_ID = {
    type_id: pair
    for pair, type_id in (
        *UNLABELLED.items(),
        *PRIMARY.items(),
        *((pair, type_id) for pair, labels in LABELLED.items() for type_id in labels),
    )
}


@dataclass(frozen=True, slots=True)
class LinkType:
    """What kind of association: HubSpot's own or one that the portal made."""

    type_id: int
    is_custom: bool = False

    @property
    def category(self) -> str:
        return "USER_DEFINED" if self.is_custom else "HUBSPOT_DEFINED"


@dataclass(frozen=True, slots=True)
class Ends:
    """The two object types of an association, in the direction in which it is read."""

    source: ObjectType
    target: ObjectType

    @property
    def numbers(self) -> tuple[int, int]:
        return self.source.number, self.target.number

    @property
    def reverse(self) -> "Ends":
        return Ends(self.target, self.source)


Pair = tuple[int, int]


def target_of(portal: Portal, source: ObjectType, link_type: LinkType) -> ObjectType | None:
    """Where an association type leads from ``source``; None when it does not start there."""
    if not link_type.is_custom:
        source_number, target_number = _BY_ID.get(link_type.type_id, (0, 0))
        return portal.kind_numbered(target_number) if source_number == source.number else None
    sql = "SELECT to_type FROM hubspot__association_labels WHERE type_id = ? AND from_type = ?"
    rows = portal.state.query(sql, (link_type.type_id, source.number))
    return portal.kind_numbered(rows[0][0]) if rows else None


def plain_type(portal: Portal, ends: Ends) -> LinkType | None:
    """The type of an association without a label; None when records of these types cannot be associated."""
    if ends.numbers in UNLABELLED:
        return LinkType(UNLABELLED[ends.numbers])
    sql = "SELECT type_id FROM hubspot__association_labels WHERE from_type = ? AND to_type = ? AND label IS NULL"
    rows = portal.state.query(sql, ends.numbers)
    return LinkType(rows[0][0], is_custom=True) if rows else None


def labels(portal: Portal, ends: Ends) -> dict[LinkType, str | None]:
    """All association types between two object types, each with its label."""
    found: dict[LinkType, str | None] = {}
    if ends.numbers in PRIMARY:
        found[LinkType(PRIMARY[ends.numbers])] = "Primary"
    if ends.numbers in UNLABELLED:
        found[LinkType(UNLABELLED[ends.numbers])] = None
    found |= {LinkType(type_id): label for type_id, label in LABELLED.get(ends.numbers, {}).items()}
    made = portal.state.query(
        "SELECT type_id, label FROM hubspot__association_labels WHERE from_type = ? AND to_type = ? ORDER BY type_id",
        ends.numbers,
    )
    return found | {LinkType(type_id, is_custom=True): label for type_id, label in made}


def add_label(portal: Portal, ends: Ends, name: str, label: str | None, inverse: str | None) -> tuple[int, int]:
    """Make a label with its inverse, or a plain type when it is None; answers both type ids."""
    last = portal.state.query("SELECT MAX(type_id) FROM hubspot__association_labels")[0][0] or 0
    there, back = last + 1, last + 2
    rows = [(there, *ends.numbers, name, label, back), (back, *ends.reverse.numbers, name, inverse, there)]
    portal.state.execute_many("INSERT INTO hubspot__association_labels VALUES (?, ?, ?, ?, ?, ?)", rows)
    return there, back


def associable(portal: Portal, ends: Ends) -> LinkType:
    """The plain type between two object types of which one is custom, made when there is none."""
    found = plain_type(portal, ends)
    if found is None:
        name = f"{ends.source.singular}_to_{ends.target.singular}"
        found = LinkType(add_label(portal, ends, name, None, None)[0], is_custom=True)
    return found


def _inverse(portal: Portal, ends: Ends, link_type: LinkType) -> LinkType:
    if link_type.is_custom:
        sql = "SELECT inverse_id FROM hubspot__association_labels WHERE type_id = ?"
        return LinkType(portal.state.query(sql, (link_type.type_id,))[0][0], is_custom=True)
    if link_type.type_id in _OTHER_END:
        return LinkType(_OTHER_END[link_type.type_id])
    table = PRIMARY if PRIMARY.get(ends.numbers) == link_type.type_id else UNLABELLED
    return LinkType(table[ends.reverse.numbers])


def add_links(portal: Portal, ends: Ends, links: Iterable[tuple[int, int, LinkType]]) -> None:
    """Associate records; a label brings the unlabelled type with it, and a first company becomes the primary one."""
    plain = plain_type(portal, ends)
    for source, target, link_type in links:
        if plain is not None:
            _add(portal, ends, source, target, plain)
        if link_type.type_id == PRIMARY.get(ends.numbers) and not link_type.is_custom:
            _make_primary(portal, ends, source, target)
            continue
        if link_type != plain:
            _add(portal, ends, source, target, link_type)
        if ends.numbers in PRIMARY and not _has_primary(portal, ends, source, target):
            _make_primary(portal, ends, source, target)


def _add(portal: Portal, ends: Ends, source: int, target: int, link_type: LinkType) -> None:
    inverse = _inverse(portal, ends, link_type)
    portal.state.execute(_ADD, (*ends.numbers, source, target, link_type.type_id, link_type.is_custom))
    portal.state.execute(_ADD, (*ends.reverse.numbers, target, source, inverse.type_id, inverse.is_custom))


def _to_company(ends: Ends, source: int, target: int) -> tuple[Ends, int, int]:
    """The same association as seen by the record that has a primary company."""
    return (ends, source, target) if ends.target.number == _COMPANY else (ends.reverse, target, source)


def _has_primary(portal: Portal, ends: Ends, source: int, target: int) -> bool:
    seen, record, _ = _to_company(ends, source, target)
    sql = """SELECT 1 FROM hubspot__associations
             WHERE from_type = ? AND to_type = ? AND from_id = ? AND type_id = ? AND is_custom = 0 LIMIT 1"""
    return bool(portal.state.query(sql, (*seen.numbers, record, PRIMARY[seen.numbers])))


def _make_primary(portal: Portal, ends: Ends, source: int, target: int) -> None:
    seen, record, company = _to_company(ends, source, target)
    sql = """DELETE FROM hubspot__associations
             WHERE from_type = ? AND to_type = ? AND {} = ? AND type_id = ? AND is_custom = 0"""
    portal.state.execute(sql.format("from_id"), (*seen.numbers, record, PRIMARY[seen.numbers]))
    back = seen.reverse
    portal.state.execute(sql.format("to_id"), (*back.numbers, record, PRIMARY[back.numbers]))
    _add(portal, seen, record, company, LinkType(PRIMARY[seen.numbers]))


def remove_pairs(portal: Portal, ends: Ends, pairs: Iterable[Pair]) -> None:
    """Part records: the unlabelled association and all labels with it."""
    sql = "DELETE FROM hubspot__associations WHERE from_type = ? AND to_type = ? AND from_id = ? AND to_id = ?"
    for source, target in pairs:
        portal.state.execute(sql, (*ends.numbers, source, target))
        portal.state.execute(sql, (*ends.reverse.numbers, target, source))


def remove_labels(portal: Portal, ends: Ends, links: Iterable[tuple[int, int, LinkType]]) -> None:
    """Take labels off; without its unlabelled type an association is gone."""
    sql = """DELETE FROM hubspot__associations
             WHERE from_type = ? AND to_type = ? AND from_id = ? AND to_id = ? AND type_id = ? AND is_custom = ?"""
    plain = plain_type(portal, ends)
    for source, target, link_type in links:
        if link_type == plain:
            remove_pairs(portal, ends, [(source, target)])
            continue
        inverse = _inverse(portal, ends, link_type)
        portal.state.execute(sql, (*ends.numbers, source, target, link_type.type_id, link_type.is_custom))
        portal.state.execute(sql, (*ends.reverse.numbers, target, source, inverse.type_id, inverse.is_custom))


def part_records(portal: Portal, kind: ObjectType, ids: Sequence[int]) -> None:
    """Part archived records from everything, and remember from what."""
    keep = (
        "INSERT OR IGNORE INTO hubspot__parted SELECT * FROM hubspot__associations WHERE from_type = ? AND from_id = ?"
    )
    for other in portal.kinds():
        ends = Ends(kind, other)
        held = [(source, target) for source in ids for target in links_of(portal, ends, source)]
        portal.state.execute_many(
            f"{keep} AND to_type = ? AND to_id = ?",
            [(kind.number, source, other.number, target) for source, target in held],
        )
        remove_pairs(portal, ends, held)


def rejoin_records(portal: Portal, kind: ObjectType, ids: Sequence[int]) -> None:
    """Give restored records back what they were parted from, as far as it still lives."""
    sql = "SELECT to_type, to_id, type_id, is_custom FROM hubspot__parted WHERE from_type = ? AND from_id = ?"
    for source in ids:
        for number, target, type_id, is_custom in portal.state.query(sql, (kind.number, source)):
            other = portal.kind_numbered(number)
            if other is not None and _lives(portal, other, target):
                _add(portal, Ends(kind, other), source, target, LinkType(type_id, bool(is_custom)))
        portal.state.execute("DELETE FROM hubspot__parted WHERE from_type = ? AND from_id = ?", (kind.number, source))


def _lives(portal: Portal, kind: ObjectType, record_id: int) -> bool:
    sql = f"SELECT 1 FROM {portal.table(kind)} WHERE _id = ? AND _archived = ?"  # noqa: S608 - quoted name
    return bool(portal.state.query(sql, (record_id, LIVE)))


def move_links(portal: Portal, kind: ObjectType, loser: int, survivor: int) -> None:
    """Hand a merged record's associations to its survivor; primaries that the survivor has stay."""
    for other in portal.kinds():
        ends = Ends(kind, other)
        primary = LinkType(PRIMARY.get(ends.numbers, 0))
        held = links_of(portal, ends, loser)
        remove_pairs(portal, ends, [(loser, target) for target in held])
        for target, types in sorted(held.items(), key=lambda each: primary not in each[1]):
            is_settled = primary in types and _has_primary(portal, ends, survivor, target)
            if target != survivor:
                kept = [one for one in types if one != primary or not is_settled]
                add_links(portal, ends, [(survivor, target, one) for one in kept])


def links_of(
    portal: Portal, ends: Ends, source: int, *, after: int = 0, limit: int | None = None
) -> dict[int, list[LinkType]]:
    """What one record is associated with, by id, beginning behind ``after``: all of it, or ``limit`` records."""
    sql = """SELECT to_id, type_id, is_custom FROM hubspot__associations
             WHERE from_type = ? AND to_type = ? AND from_id = ? AND to_id > ? ORDER BY to_id, type_id"""
    found: dict[int, list[LinkType]] = {}
    for target, type_id, is_custom in portal.state.query(sql, (*ends.numbers, source, after)):
        if target not in found and len(found) == limit:
            break
        found.setdefault(target, []).append(LinkType(type_id, bool(is_custom)))
    return found
