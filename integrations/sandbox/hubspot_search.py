"""CRM search: filter groups to SQL, sorted pages under the 10,000 cap. Live records only, no associations."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from integrations.sandbox.hubspot_answers import Answer, Json, a_list, an_object, canonical, invalid
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_portal import LIVE, Portal, marks
from integrations.sandbox.hubspot_records import as_id, columns_sql, records_of, selection, texts
from integrations.sandbox.hubspot_schema import Property
from integrations.sandbox.hubspot_settings import settings_of
from integrations.sandbox.hubspot_types import ObjectType
from integrations.sandbox.hubspot_values import as_text, sought
from integrations.sandbox.state import quoted

LONGEST_PAGE, LONGEST_RESULT, LONGEST_QUERY = 200, 10_000, 3_000
_ASSOCIATED = "associations."
MOST_GROUPS, MOST_FILTERS, MOST_FILTERS_IN_ALL, MOST_VALUES = 5, 6, 18, 100
Clause = tuple[str, tuple[Any, ...]]


def _problem() -> Exception:
    return invalid("There was a problem with the request.")


# -- filters ----------------------------------------------------------------------------------------------------------


def _column(rule: Property) -> str:
    if rule.name == "hs_object_id":
        return "_id"
    if rule.type == "number":
        return f"CAST({quoted(rule.name)} AS REAL)"
    return f"{quoted(rule.name)} COLLATE NOCASE" if rule.type == "string" else quoted(rule.name)


def _value(rule: Property, given: Json, key: str = "value") -> str | float:
    text = as_text(given.get(key))
    if text is None:
        raise invalid(f"Invalid input JSON: operator requires {key} for property {rule.name}")
    return sought(rule, text)


def _values(rule: Property, given: Json) -> list[str | float]:
    values = given.get("values")
    if not isinstance(values, list) or not values or len(values) > MOST_VALUES:
        raise _problem()
    return [sought(rule, as_text(value) or "") for value in values]


def _compared(sign: str) -> Callable[[Property, Json], Clause]:
    def clause(rule: Property, given: Json) -> Clause:
        return f"{_column(rule)} {sign} ?", (_value(rule, given),)

    return clause


def _differs(rule: Property, given: Json) -> Clause:
    return f"({_held(rule)} AND {_column(rule)} <> ?)", (_value(rule, given),)


def _between(rule: Property, given: Json) -> Clause:
    return f"{_column(rule)} BETWEEN ? AND ?", (_value(rule, given), _value(rule, given, "highValue"))


def _is_in(rule: Property, given: Json) -> Clause:
    values = _values(rule, given)
    return f"{_column(rule)} IN ({', '.join('?' * len(values))})", tuple(values)


def _is_not_in(rule: Property, given: Json) -> Clause:
    values = _values(rule, given)
    return f"({_held(rule)} AND {_column(rule)} NOT IN ({', '.join('?' * len(values))}))", tuple(values)


def _held(rule: Property) -> str:
    return "_id IS NOT NULL" if rule.name == "hs_object_id" else f"{quoted(rule.name)} IS NOT NULL"


def _has(rule: Property, given: Json) -> Clause:
    return _held(rule), ()


def _has_not(rule: Property, given: Json) -> Clause:
    return f"NOT ({_held(rule)})", ()


def _like(text: str) -> str:
    """A SQL pattern for a word that may hold ``*``; every other character means itself."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")


def _token(rule: Property, given: Json) -> Clause:
    """Every word must begin a word of the value, in any case; ``*`` stands for anything."""
    words = str(_value(rule, given)).split() or [""]
    spaced = f"(' ' || replace(replace({quoted(rule.name)}, '.', ' '), '@', ' ') || ' ' || {quoted(rule.name)})"
    one = f"{spaced} LIKE ? ESCAPE '\\'"
    return f"({' AND '.join([one] * len(words))})", tuple(f"% {_like(word)}%" for word in words)


def _not_token(rule: Property, given: Json) -> Clause:
    sql, params = _token(rule, given)
    return f"({_held(rule)} AND NOT {sql})", params


_OPERATORS: Mapping[str, Callable[[Property, Json], Clause]] = {
    "EQ": _compared("="),
    "NEQ": _differs,
    "LT": _compared("<"),
    "LTE": _compared("<="),
    "GT": _compared(">"),
    "GTE": _compared(">="),
    "BETWEEN": _between,
    "IN": _is_in,
    "NOT_IN": _is_not_in,
    "HAS_PROPERTY": _has,
    "NOT_HAS_PROPERTY": _has_not,
    "CONTAINS_TOKEN": _token,
    "NOT_CONTAINS_TOKEN": _not_token,
}


def _filter(portal: Portal, kind: ObjectType, given: Any) -> Clause:
    if not isinstance(given, dict) or not given.get("propertyName") or not given.get("operator"):
        missing = "Cannot build Filter, some of required attributes are not set [propertyName, operator]"
        raise invalid(f"Invalid input JSON: {missing}")
    if str(given["propertyName"]).startswith(_ASSOCIATED):
        return _associated(portal, kind, given)
    rule = portal.properties(kind).get(str(given["propertyName"]))
    operator = _OPERATORS.get(str(given["operator"]))
    if rule is None or operator is None:
        raise _problem()
    return operator(rule, given)


def _associated(portal: Portal, kind: ObjectType, given: Json) -> Clause:
    """Records by the id of one that they are associated with (*Search the CRM*: ``associations.{objectType}``)."""
    other = portal.kind(str(given["propertyName"]).removeprefix(_ASSOCIATED))
    values = given.get("values") if given["operator"] == "IN" else [given.get("value")]
    if given["operator"] not in ("EQ", "IN") or not isinstance(values, list) or len(values) > MOST_VALUES:
        raise _problem()
    ids = [as_id(value) for value in values]
    held = f"SELECT from_id FROM hubspot__associations WHERE from_type = ? AND to_type = ? AND to_id IN ({marks(ids)})"  # noqa: S608 - marks only
    return f"_id IN ({held})", (kind.number, other.number, *ids)


def _groups(body: Json) -> list[list[Any]]:
    groups = a_list(body.get("filterGroups")) or ([{"filters": body["filters"]}] if body.get("filters") else [])
    filters = [a_list(an_object(group).get("filters")) for group in groups]
    too_many = len(filters) > MOST_GROUPS or any(len(some) > MOST_FILTERS for some in filters)
    if too_many or sum(map(len, filters)) > MOST_FILTERS_IN_ALL:
        limits = f"{MOST_GROUPS} filter groups, {MOST_FILTERS} filters a group, {MOST_FILTERS_IN_ALL} filters in all"
        raise invalid(f"Too many filters: at most {limits}")
    return filters


def _where(portal: Portal, kind: ObjectType, body: Json) -> Clause:
    """Groups are joined by OR, filters of a group by AND. The plus keeps SQLite on the index of a filter instead."""
    alternatives: list[str] = []
    params: list[Any] = [LIVE]
    for group in _groups(body):
        clauses = [_filter(portal, kind, given) for given in group]
        alternatives.append(" AND ".join(sql for sql, _ in clauses) or "1")
        params += [param for _, some in clauses for param in some]
    where = "+_archived = ?" + (f" AND (({') OR ('.join(alternatives)}))" if alternatives else "")
    words, more = _query(kind, body.get("query"))
    late, since = _indexed(portal, kind)
    return where + words + late, (*params, *more, *since)


def _indexed(portal: Portal, kind: ObjectType) -> Clause:
    """What search knows by now: with a lag, nothing of records written in the last seconds."""
    lag_s = settings_of(portal.state).search_lag_s
    if not lag_s:
        return "", ()
    return f" AND {quoted(kind.modified)} <= ?", (canonical(portal.now() - timedelta(seconds=lag_s)),)


def _query(kind: ObjectType, query: Any) -> Clause:
    if not query:
        return "", ()
    if not isinstance(query, str) or len(query) > LONGEST_QUERY:
        raise _problem()
    columns = kind.searched
    any_column = " OR ".join(f"{quoted(name)} LIKE ? ESCAPE '\\'" for name in columns) or "0"
    words = query.split()
    return f" AND ({any_column})" * len(words), tuple(f"%{_like(word)}%" for word in words for _ in columns)


# -- sorts and pages --------------------------------------------------------------------------------------------------


def _order(portal: Portal, kind: ObjectType, sorts: Any) -> str:
    """At most one sort; then by id, so that pages are stable."""
    if not sorts:
        return "_id"
    if not isinstance(sorts, list) or len(sorts) > 1:
        raise invalid("Only one sort is supported")
    name, is_descending = _sort(sorts[0])
    rule = portal.properties(kind).get(name)
    if rule is None:
        raise _problem()
    return f"{_sorted_by(portal, rule)} {'DESC' if is_descending else 'ASC'}, _id"


def _sorted_by(portal: Portal, rule: Property) -> str:
    """A column to sort by; where search keeps no order, instants shifted by some seconds that follow from the id."""
    most_s = int(settings_of(portal.state).search_disorder_s)
    if not most_s or rule.type != "datetime":
        return _column(rule)
    return f"CAST(strftime('%s', {_column(rule)}) AS INTEGER) + (_id * 40503 % 1000003) % {most_s + 1}"


def _sort(given: Any) -> tuple[str, bool]:
    if isinstance(given, dict):
        return str(given.get("propertyName")), given.get("direction") == "DESCENDING"
    text = str(given)
    return text.removeprefix("-"), text.startswith("-")


def _page(body: Json) -> tuple[int, int]:
    limit, after = body.get("limit", 10), body.get("after") or 0
    if not isinstance(limit, int) or not 0 <= limit <= LONGEST_PAGE:
        raise invalid(f"limit must be between 0 and {LONGEST_PAGE}")
    if not str(after).isdigit() or int(after) + limit > LONGEST_RESULT:
        raise _problem()
    return limit, int(after)


def _found(portal: Portal, kind: ObjectType, body: Json, names: Sequence[str]) -> tuple[int, list[Json]]:
    limit, after = _page(body)
    where, params = _where(portal, kind, body)
    table = portal.table(kind)
    total = portal.state.query(f"SELECT COUNT(*) FROM {table} WHERE {where}", params)[0][0]  # noqa: S608 - built above
    sql = f"""SELECT {columns_sql(portal, kind, names)} FROM {table} WHERE {where}
              ORDER BY {_order(portal, kind, body.get("sorts"))} LIMIT ? OFFSET ?"""  # noqa: S608 - built above
    return total, records_of(portal.state.query(sql, (*params, limit, after)), names)


def search(call: Call) -> Answer:
    """``POST .../{type}/search``."""
    kind = call.kind()
    names = selection(call.portal, kind, texts(call.body.get("properties"))).properties
    total, records = _found(call.portal, kind, call.body, names)
    limit, after = _page(call.body)
    body: Json = {"total": total, "results": records}
    if records and after + limit < total:
        body["paging"] = {"next": {"after": str(after + limit)}}
    return Answer(body, records=len(records))
