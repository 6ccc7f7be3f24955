"""The user of a token: as the identity URL tells of him, and as OpenID's userinfo does.

Follows the help pages "Identity URLs" and "UserInfo Endpoint".
"""

from typing import Any

from integrations.sandbox.salesforce_store import INTEGRATION_USER_ID, ORG_ID
from integrations.sandbox.state import State

_SERVICES = {
    "enterprise": "/services/Soap/c/{version}/" + ORG_ID[:15],
    "metadata": "/services/Soap/m/{version}/" + ORG_ID[:15],
    "partner": "/services/Soap/u/{version}/" + ORG_ID[:15],
    "rest": "/services/data/v{version}/",
    "sobjects": "/services/data/v{version}/sobjects/",
    "search": "/services/data/v{version}/search/",
    "query": "/services/data/v{version}/query/",
    "recent": "/services/data/v{version}/recent/",
    "tooling_soap": "/services/Soap/T/{version}/" + ORG_ID[:15],
    "tooling_rest": "/services/data/v{version}/tooling/",
    "profile": "/" + INTEGRATION_USER_ID,
    "feeds": "/services/data/v{version}/chatter/feeds",
    "groups": "/services/data/v{version}/chatter/groups",
    "users": "/services/data/v{version}/chatter/users",
    "feed_items": "/services/data/v{version}/chatter/feed-items",
    "feed_elements": "/services/data/v{version}/chatter/feed-elements",
    "custom_domain": "",
}


def identity(state: State, own_url: str) -> dict[str, Any]:
    """What ``/id/{organization}/{user}`` answers."""
    user = _user(state)
    return {
        "id": f"{own_url}/id/{ORG_ID}/{INTEGRATION_USER_ID}",
        "asserted_user": True,
        "user_id": INTEGRATION_USER_ID,
        "organization_id": ORG_ID,
        "username": user["Username"],
        "nick_name": "integration",
        "display_name": user["Name"],
        "email": user["Email"],
        "email_verified": True,
        "first_name": user["FirstName"],
        "last_name": user["LastName"],
        "timezone": "GMT",
        "photos": _photos(own_url),
        "addr_street": None,
        "addr_city": None,
        "addr_state": None,
        "addr_country": None,
        "addr_zip": None,
        "mobile_phone": None,
        "mobile_phone_verified": False,
        "is_lightning_login_user": False,
        "status": {"created_date": None, "body": None},
        "urls": _urls(own_url),
        "active": bool(user["IsActive"]),
        "user_type": "STANDARD",
        "language": "en_US",
        "locale": "en_US",
        "utcOffset": 0,
        "last_modified_date": user["LastModifiedDate"],
    }


def user_info(state: State, own_url: str) -> dict[str, Any]:
    """What ``/services/oauth2/userinfo`` answers."""
    user = _user(state)
    return {
        "sub": f"{own_url}/id/{ORG_ID}/{INTEGRATION_USER_ID}",
        "user_id": INTEGRATION_USER_ID,
        "organization_id": ORG_ID,
        "preferred_username": user["Username"],
        "nickname": "integration",
        "name": user["Name"],
        "email": user["Email"],
        "email_verified": True,
        "given_name": user["FirstName"],
        "family_name": user["LastName"],
        "zoneinfo": "GMT",
        "photos": _photos(own_url),
        "profile": f"{own_url}/{INTEGRATION_USER_ID}",
        "picture": _photos(own_url)["picture"],
        "address": {},
        "urls": _urls(own_url),
        "active": bool(user["IsActive"]),
        "user_type": "STANDARD",
        "language": "en_US",
        "locale": "en_US",
        "utcOffset": 0,
        "updated_at": user["LastModifiedDate"],
        "is_app_installed": True,
    }


def _user(state: State) -> dict[str, Any]:
    return state.records('SELECT * FROM "salesforce__User" WHERE "Id" = ?', (INTEGRATION_USER_ID,))[0]


def _photos(own_url: str) -> dict[str, str]:
    return {"picture": f"{own_url}/profilephoto/005/F", "thumbnail": f"{own_url}/profilephoto/005/T"}


def _urls(own_url: str) -> dict[str, str]:
    return {name: own_url + path for name, path in _SERVICES.items()}
