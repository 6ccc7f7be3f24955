"""What else the portal says about itself: owners, users, teams, lists, subscriptions, account details."""

from typing import Any

from integrations.sandbox.hubspot_answers import Answer, Json, MissingError, invalid, wire_instant
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_records import as_id
from integrations.sandbox.hubspot_types import PORTAL_ID

_LONGEST_PAGE_OF_OWNERS = 500


# -- owners -----------------------------------------------------------------------------------------------------------

_OWNER_KEYS = {"id": "id", "userId": "user_id"}
_OWNER_COLUMNS = "id, user_id, email, first_name, last_name, archived, created_at, updated_at"


def _owner(row: Any) -> Json:
    owner_id, user_id, email, first, last, archived, created_at, updated_at = row
    return {
        "id": str(owner_id),
        "email": email,
        "type": "PERSON",
        "firstName": first or "",
        "lastName": last or "",
        "userId": None if archived else user_id,
        "userIdIncludingInactive": user_id,
        "createdAt": wire_instant(created_at),
        "updatedAt": wire_instant(updated_at),
        "archived": bool(archived),
    }


def list_owners(call: Call) -> Answer:
    """``GET .../owners``: former owners only with ``archived=true``."""
    limit = call.limit(100, _LONGEST_PAGE_OF_OWNERS)
    sql = f"""SELECT {_OWNER_COLUMNS} FROM hubspot__owners
              WHERE archived = ? AND id > ? AND (? IS NULL OR email = ?) ORDER BY id LIMIT ?"""  # noqa: S608 - fixed names
    email = call.one("email")
    rows = call.portal.state.query(sql, (call.is_set("archived"), call.after(), email, email, limit + 1))
    page = [_owner(row) for row in rows[:limit]]
    body: Json = {"results": page}
    if len(rows) > limit:
        body["paging"] = {"next": {"after": page[-1]["id"], "link": call.next_link(page[-1]["id"])}}
    return Answer(body, records=len(page))


def get_owner(call: Call) -> Answer:
    """``GET .../owners/{id}``, by owner id or with ``idProperty=userId``."""
    id_property = call.one("idProperty") or "id"
    if id_property not in _OWNER_KEYS:
        raise invalid(f"Invalid idProperty: {id_property}. It must be one of id, userId")
    column = _OWNER_KEYS[id_property]
    sql = f"SELECT {_OWNER_COLUMNS} FROM hubspot__owners WHERE {column} = ? AND archived = ?"  # noqa: S608 - fixed names
    rows = call.portal.state.query(sql, (as_id(call.path["id"]), call.is_set("archived")))
    if not rows:
        raise MissingError
    return Answer(_owner(rows[0]), records=1)


# -- the account ------------------------------------------------------------------------------------------------------


def account_details(call: Call) -> Answer:
    """``GET /account-info/.../details``."""
    details = {
        "portalId": PORTAL_ID,
        "accountType": "DEVELOPER_TEST",
        "timeZone": "UTC",
        "companyCurrency": "USD",
        "additionalCurrencies": [],
        "utcOffset": "+00:00",
        "utcOffsetMilliseconds": 0,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    }
    return Answer(details, records=1)


def list_users(call: Call) -> Answer:
    """``GET /settings/v3/users``: everyone who can sign in; owners are users here."""
    limit = call.limit(100, 100)
    sql = """SELECT id, user_id, email, first_name, last_name FROM hubspot__owners
             WHERE archived = 0 AND user_id > ? ORDER BY user_id LIMIT ?"""
    rows = call.portal.state.query(sql, (call.after(), limit + 1))
    users = [
        {"id": str(user_id), "email": email, "firstName": first, "lastName": last, "superAdmin": False}
        for _, user_id, email, first, last in rows[:limit]
    ]
    body: Json = {"results": users}
    if len(rows) > limit:
        body["paging"] = {"next": {"after": users[-1]["id"], "link": call.next_link(users[-1]["id"])}}
    return Answer(body, records=len(users))


def list_nothing(call: Call) -> Answer:
    """Teams: this portal has none."""
    return Answer({"results": []})


def search_lists(call: Call) -> Answer:
    """``POST .../lists/search``: this portal has no lists."""
    return Answer({"offset": 0, "hasMore": False, "lists": [], "total": 0})


def list_lists(call: Call) -> Answer:
    """``GET .../lists``: likewise."""
    return Answer({"lists": []})


def list_subscriptions(call: Call) -> Answer:
    """``GET /email/public/v1/subscriptions``: this portal has no subscription types."""
    return Answer({"subscriptionDefinitions": []})
