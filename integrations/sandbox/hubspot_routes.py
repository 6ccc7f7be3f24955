"""Which path is answered by what, under which scopes, at which version."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from integrations.sandbox import hubspot_associations as associations
from integrations.sandbox import hubspot_associations_v3 as associations_v3
from integrations.sandbox import hubspot_batch as batch
from integrations.sandbox import hubspot_legacy as legacy
from integrations.sandbox import hubspot_merges as merges
from integrations.sandbox import hubspot_metadata as metadata
from integrations.sandbox import hubspot_oauth as oauth
from integrations.sandbox import hubspot_objects as objects
from integrations.sandbox import hubspot_pipeline_calls as pipelines
from integrations.sandbox import hubspot_properties as properties
from integrations.sandbox import hubspot_schemas as schemas
from integrations.sandbox import hubspot_scopes as scopes
from integrations.sandbox.hubspot_answers import Answer, MissingError
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_search import search
from integrations.sandbox.hubspot_types import DATED_VERSIONS

Handler = Callable[[Call], Answer]
Scopes = Callable[[Call], Sequence[str]]
Row = tuple[str, str, Handler, Scopes | None]


@dataclass(frozen=True, slots=True)
class Route:
    """One path, with what names something in braces; ``parts`` are its segments behind the family's."""

    handler: Handler
    version: str
    scopes: Scopes | None
    method: str = ""
    template: str = ""
    """The whole path, with its names in braces."""
    parts: tuple[str, ...] = ()
    is_read: bool = False
    is_open: bool = False
    logged: str | None = None
    """What the request log says instead of the path, where that would hold a token."""

    def matched(self, given: Sequence[str]) -> dict[str, str] | None:
        """What the path names, when it is this one; as many segments as ``parts`` are given."""
        named: dict[str, str] = {}
        for part, segment in zip(self.parts, given, strict=True):
            if part[:1] == "{":
                named[part[1:-1]] = segment
            elif part != segment:
                return None
        return named


# -- scopes -----------------------------------------------------------------------------------------------------------


def _records(act: scopes.Act, part: str = "type") -> Scopes:
    return lambda call: scopes.of_records(call.kind(part), act)


def _definitions(act: scopes.Act, part: str = "type") -> Scopes:
    return lambda call: scopes.of_definitions(call.kind(part), act)


def _fixed(found: Sequence[str]) -> Scopes:
    return lambda call: found


_READ, _WRITE = _records("read"), _records("write")
_READ_FROM, _WRITE_FROM = _records("read", "from"), _records("write", "from")
_READ_RULES, _WRITE_RULES = _definitions("read"), _definitions("write")
_READ_LABELS, _WRITE_LABELS = _definitions("read", "from"), _definitions("write", "from")
_READ_SCHEMAS, _WRITE_SCHEMAS = _fixed(scopes.of_schemas("read")), _fixed(scopes.of_schemas("write"))

# -- paths ------------------------------------------------------------------------------------------------------------

_OBJECTS: tuple[Row, ...] = (
    ("GET", "{type}", objects.list_records, _READ),
    ("POST", "{type}", objects.create_record, _WRITE),
    ("POST", "{type}/search", search, _READ),
    ("POST", "{type}/merge", merges.merge, _WRITE),
    ("POST", "{type}/gdpr-delete", merges.gdpr_delete, _WRITE),
    ("POST", "{type}/batch/read", batch.batch_read, _READ),
    ("POST", "{type}/batch/create", batch.batch_create, _WRITE),
    ("POST", "{type}/batch/update", batch.batch_update, _WRITE),
    ("POST", "{type}/batch/upsert", batch.batch_upsert, _WRITE),
    ("POST", "{type}/batch/archive", batch.batch_archive, _WRITE),
    ("GET", "{type}/{id}", objects.get_record, _READ),
    ("PATCH", "{type}/{id}", objects.update_record, _WRITE),
    ("DELETE", "{type}/{id}", objects.archive_record, _WRITE),
)
_OBJECT_LINKS: tuple[Row, ...] = (
    ("GET", "{from}/{id}/associations/{to}", associations.list_associations, _READ_FROM),
    ("PUT", "{from}/{id}/associations/default/{to}/{to_id}", associations.associate_default, _WRITE_FROM),
    ("PUT", "{from}/{id}/associations/{to}/{to_id}", associations.associate, _WRITE_FROM),
    ("DELETE", "{from}/{id}/associations/{to}/{to_id}", associations.dissociate, _WRITE_FROM),
)
_OBJECT_LINKS_V3: tuple[Row, ...] = (
    ("GET", "{from}/{id}/associations/{to}", associations_v3.list_associations, _READ_FROM),
    ("PUT", "{from}/{id}/associations/{to}/{to_id}/{name}", associations_v3.associate, _WRITE_FROM),
    ("DELETE", "{from}/{id}/associations/{to}/{to_id}/{name}", associations_v3.dissociate, _WRITE_FROM),
)
_ASSOCIATIONS: tuple[Row, ...] = (
    ("GET", "{from}/{to}/labels", associations.list_labels, _READ_LABELS),
    ("POST", "{from}/{to}/labels", associations.create_label, _WRITE_LABELS),
    ("PUT", "{from}/{to}/labels", associations.update_label, _WRITE_LABELS),
    ("DELETE", "{from}/{to}/labels/{id}", associations.archive_label, _WRITE_LABELS),
    ("POST", "{from}/{to}/batch/read", associations.batch_read, _READ_FROM),
    ("POST", "{from}/{to}/batch/create", associations.batch_create, _WRITE_FROM),
    ("POST", "{from}/{to}/batch/associate/default", associations.batch_default, _WRITE_FROM),
    ("POST", "{from}/{to}/batch/archive", associations.batch_archive, _WRITE_FROM),
    ("POST", "{from}/{to}/batch/labels/archive", associations.batch_archive_labels, _WRITE_FROM),
)
_ASSOCIATIONS_V3: tuple[Row, ...] = (
    ("GET", "{from}/{to}/types", associations_v3.list_types, _READ_LABELS),
    ("POST", "{from}/{to}/batch/read", associations_v3.batch_read, _READ_FROM),
    ("POST", "{from}/{to}/batch/create", associations_v3.batch_create, _WRITE_FROM),
    ("POST", "{from}/{to}/batch/archive", associations_v3.batch_archive, _WRITE_FROM),
)
_PROPERTIES: tuple[Row, ...] = (
    ("GET", "{type}", properties.list_properties, _READ_RULES),
    ("POST", "{type}", properties.create_property, _WRITE_RULES),
    ("POST", "{type}/batch/read", properties.batch_read, _READ_RULES),
    ("POST", "{type}/batch/create", properties.batch_create, _WRITE_RULES),
    ("POST", "{type}/batch/archive", properties.batch_archive, _WRITE_RULES),
    ("GET", "{type}/groups", properties.list_groups, _READ_RULES),
    ("POST", "{type}/groups", properties.create_group, _WRITE_RULES),
    ("GET", "{type}/groups/{name}", properties.get_group, _READ_RULES),
    ("PATCH", "{type}/groups/{name}", properties.update_group, _WRITE_RULES),
    ("DELETE", "{type}/groups/{name}", properties.archive_group, _WRITE_RULES),
    ("GET", "{type}/{name}", properties.get_property, _READ_RULES),
    ("PATCH", "{type}/{name}", properties.update_property, _WRITE_RULES),
    ("DELETE", "{type}/{name}", properties.archive_property, _WRITE_RULES),
)
_SCHEMAS: tuple[Row, ...] = (
    ("GET", "", schemas.list_schemas, _READ_SCHEMAS),
    ("POST", "", schemas.create_schema, _WRITE_SCHEMAS),
    ("GET", "{type}", schemas.get_schema, _READ_SCHEMAS),
    ("PATCH", "{type}", schemas.update_schema, _WRITE_SCHEMAS),
    ("DELETE", "{type}", schemas.archive_schema, _WRITE_SCHEMAS),
    ("POST", "{type}/associations", schemas.create_association, _WRITE_SCHEMAS),
    ("DELETE", "{type}/associations/{id}", schemas.archive_association, _WRITE_SCHEMAS),
)
_OWNERS: tuple[Row, ...] = (
    ("GET", "", metadata.list_owners, _fixed(scopes.OF_OWNERS)),
    ("GET", "{id}", metadata.get_owner, _fixed(scopes.OF_OWNERS)),
)
_PIPELINES: tuple[Row, ...] = (
    ("GET", "{type}", pipelines.list_pipelines, _READ_RULES),
    ("POST", "{type}", pipelines.create_pipeline, _WRITE_RULES),
    ("GET", "{type}/{id}", pipelines.get_pipeline, _READ_RULES),
    ("PATCH", "{type}/{id}", pipelines.update_pipeline, _WRITE_RULES),
    ("PUT", "{type}/{id}", pipelines.replace_pipeline, _WRITE_RULES),
    ("DELETE", "{type}/{id}", pipelines.archive_pipeline, _WRITE_RULES),
    ("GET", "{type}/{id}/audit", pipelines.audit, _READ_RULES),
    ("GET", "{type}/{id}/stages", pipelines.list_stages, _READ_RULES),
    ("POST", "{type}/{id}/stages", pipelines.create_stage, _WRITE_RULES),
    ("GET", "{type}/{id}/stages/{stage}", pipelines.get_stage, _READ_RULES),
    ("PATCH", "{type}/{id}/stages/{stage}", pipelines.update_stage, _WRITE_RULES),
    ("PUT", "{type}/{id}/stages/{stage}", pipelines.update_stage, _WRITE_RULES),
    ("DELETE", "{type}/{id}/stages/{stage}", pipelines.archive_stage, _WRITE_RULES),
)
_ACCOUNT: tuple[Row, ...] = (("GET", "details", metadata.account_details, None),)
_LISTS: tuple[Row, ...] = (
    ("GET", "", metadata.list_lists, _fixed(scopes.OF_LISTS)),
    ("POST", "search", metadata.search_lists, _fixed(scopes.OF_LISTS)),
)
_USERS: tuple[Row, ...] = (
    ("GET", "", metadata.list_users, _fixed(scopes.OF_USERS)),
    ("GET", "teams", metadata.list_nothing, _fixed(scopes.OF_TEAMS)),
)
_TOKENS: tuple[Row, ...] = (
    ("POST", "token", oauth.create_token, None),
    ("POST", "token/introspect", oauth.introspect, None),
    ("POST", "introspect", oauth.introspect, None),
    ("POST", "token/revoke", oauth.revoke, None),
)
_TOKENS_V1: tuple[Row, ...] = (
    ("POST", "token", oauth.create_token, None),
    ("GET", "access-tokens/{token}", oauth.access_token_info, None),
    ("GET", "refresh-tokens/{token}", oauth.refresh_token_info, None),
    ("DELETE", "refresh-tokens/{token}", oauth.delete_refresh_token, None),
)
_SUBSCRIPTIONS: tuple[Row, ...] = (
    ("GET", "subscriptions", metadata.list_subscriptions, _fixed(scopes.OF_SUBSCRIPTIONS)),
)

_DATED: tuple[tuple[str, tuple[Row, ...]], ...] = (
    ("crm/objects/{}", (*_OBJECT_LINKS, *_OBJECTS)),
    ("crm/associations/{}", _ASSOCIATIONS),
    ("crm/properties/{}", _PROPERTIES),
    ("crm/owners/{}", _OWNERS),
    ("crm/pipelines/{}", _PIPELINES),
    ("crm/lists/{}", _LISTS),
    ("crm-object-schemas/{}/schemas", _SCHEMAS),
    ("account-info/{}", _ACCOUNT),
    ("settings/users/{}", _USERS),
)
_FIXED: tuple[tuple[str, str, tuple[Row, ...]], ...] = (
    ("v3", "crm/v3/objects", (*_OBJECT_LINKS_V3, *_OBJECTS)),
    ("v3", "crm/v3/associations", _ASSOCIATIONS_V3),
    ("v3", "crm/v3/properties", _PROPERTIES),
    ("v3", "crm/v3/owners", _OWNERS),
    ("v3", "crm/v3/pipelines", _PIPELINES),
    ("v3", "crm/v3/lists", _LISTS),
    ("v3", "crm/v3/schemas", _SCHEMAS),
    ("v3", "crm-object-schemas/v3/schemas", _SCHEMAS),
    ("v3", "account-info/v3", _ACCOUNT),
    ("v3", "settings/v3/users", _USERS),
    ("v4", "crm/v4/objects", (*_OBJECT_LINKS, *_OBJECTS)),
    ("v4", "crm/v4/associations", _ASSOCIATIONS),
    ("v1", "email/public/v1", _SUBSCRIPTIONS),
    (
        "v2",
        "companies/v2",
        (("GET", "properties", legacy.company_properties, _fixed(("crm.objects.companies.read",))),),
    ),
    (
        "v1",
        "properties/v1/deals",
        (("GET", "properties", legacy.deal_properties, _fixed(("crm.objects.deals.read",))),),
    ),
    ("v1", "deals/v1", (("GET", "pipelines", legacy.deal_pipelines, _fixed(("crm.objects.deals.read",))),)),
    ("v1", "crm-pipelines/v1/pipelines", (("GET", "{type}", legacy.crm_pipelines, _READ_RULES),)),
    ("v2", "oauth/v2/private-apps/get", (("POST", "access-token-info", oauth.private_app_info, None),)),
)
_OPEN: tuple[tuple[str, str, tuple[Row, ...]], ...] = (
    ("2026-03", "oauth/2026-03", _TOKENS),
    ("2026-09", "oauth/2026-09", _TOKENS),
    ("v3", "oauth/v3", _TOKENS),
    ("v1", "oauth/v1", _TOKENS_V1),
    ("", "oauth", (("GET", "authorize", oauth.authorize, None),)),
)
"""What is asked without a token: what gives one."""
_READS = frozenset(
    {
        *(search, batch.batch_read, associations.batch_read, associations_v3.batch_read, properties.batch_read),
        *(metadata.search_lists, oauth.introspect, oauth.private_app_info),
    }
)
"""What is read by POST."""


def _nothing(call: Call) -> Answer:
    raise MissingError


_NOWHERE = Route(_nothing, "", None)


class _Router:
    """Finds a path's route by the family that it begins with, its method and its length."""

    def __init__(self) -> None:
        self._families: dict[str, dict[tuple[str, int], list[Route]]] = {}
        for version, family, rows in _families():
            self._add(version, family, rows, is_open=False)
        for version, family, rows in _OPEN:
            self._add(version, family, rows, is_open=True)

    def _add(self, version: str, family: str, rows: Sequence[Row], *, is_open: bool) -> None:
        table = self._families.setdefault(family, {})
        for method, path, handler, needs in rows:
            parts = tuple(path.split("/")) if path else ()
            whole = f"/{family}/{path}".rstrip("/")
            logged = whole if "{token}" in path else None
            route = Route(handler, version, needs, method, whole, parts, handler in _READS, is_open, logged)
            table.setdefault((method, len(parts)), []).append(route)

    def routes(self) -> Iterator[Route]:
        """Every route, family by family."""
        for table in self._families.values():
            for found in table.values():
                yield from found

    def route(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """The route of a request, and what its path names."""
        segments = [segment for segment in path.split("/") if segment]
        for length in (3, 2, 4, 1):
            table = self._families.get("/".join(segments[:length]))
            if table is None:
                continue
            rest = segments[length:]
            for route in table.get((method, len(rest)), ()):
                if (named := route.matched(rest)) is not None:
                    return route, named
        return _NOWHERE, {}


def _families() -> Iterator[tuple[str, str, tuple[Row, ...]]]:
    for version in DATED_VERSIONS:
        for family, rows in _DATED:
            yield version, family.format(version), rows
    yield from _FIXED


ROUTER = _Router()
