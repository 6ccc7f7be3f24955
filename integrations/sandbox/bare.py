"""Both CRMs as they are before anybody provisioned anything: the same customers, without what plansync needs."""

from integrations.sandbox import hubspot_portal
from integrations.sandbox.hubspot_types import TYPES
from integrations.sandbox.salesforce_deployed import make_bare
from integrations.sandbox.salesforce_store import prepare
from integrations.sandbox.state import State, quoted

_OURS, _GROUP = "plansync_", "success_plan"


def strip(state: State) -> None:
    """Take plansync's objects, fields, properties and groups out of a state that is not served yet."""
    with state.transaction():
        prepare(state)
        make_bare(state)
        hubspot_portal.Portal(state)
        _strip_hubspot(state)


def _strip_hubspot(state: State) -> None:
    for kind in TYPES.values():
        names = [name for name in state.columns(hubspot_portal.CRM, kind.stored) if name.startswith(_OURS)]
        for name in names:
            index = f"ix__hubspot__{kind.stored}__{name}"
            state.execute(f"DROP INDEX IF EXISTS {quoted(index)}")
            state.execute(f"UPDATE {quoted(f'hubspot__{kind.stored}')} SET {quoted(name)} = NULL")  # noqa: S608 - quoted
    state.execute("DELETE FROM hubspot__property_definitions WHERE name LIKE ?", (f"{_OURS}%",))
    state.execute("DELETE FROM hubspot__property_groups WHERE name = ?", (_GROUP,))
