"""How tasks are found by their key, in either key mode.

- **Mode a**: the portal holds ``plansync_key`` unique among tasks, and finds and refuses by it.
- **Mode b**: the portal only keeps it (stamp, query, create). A new task carries its key, and before one is made again
  after a lost answer, the tasks of its company are read and compared. Associations and batch reads show a write at
  once, which search does not. What this cannot exclude is a second installation that writes at the same moment.
"""

from collections.abc import Sequence

from integrations.hubspot.fields import KEY
from integrations.hubspot.pull import BATCH, batch_read, links, slices
from integrations.hubspot.wire import Portal
from models.records import Write

MODE_A = "a (unique key)"
MODE_B = "b (stamp, query, create)"


def has_unique_task_key(portal: Portal) -> bool:
    """Whether the portal itself keeps two tasks from having one key: key mode a."""
    known = portal.properties("tasks").get(KEY)
    return known is not None and bool(known.get("hasUniqueValue"))


def task_ids(portal: Portal, writes: Sequence[Write]) -> dict[str, str]:
    """The ids of the living tasks of ``writes``, by ``record_key``; of several with one key, the oldest."""
    keys = sorted({write.record_key for write in writes})
    if not keys:
        return {}
    if has_unique_task_key(portal):
        asked, key = keys, KEY
    else:
        asked, key = _tasks_of(portal, sorted({write.account_crm_id for write in writes})), None
    found = [record for some in slices(asked, BATCH) for record in batch_read(portal, "tasks", some, [KEY], key=key)]
    found.sort(key=lambda record: int(record["id"]), reverse=True)
    return {name: str(record["id"]) for record in found if (name := record["properties"].get(KEY)) in set(keys)}


def _tasks_of(portal: Portal, companies: Sequence[str]) -> list[str]:
    pages = links(portal, "companies", "tasks", companies)
    return sorted({str(target["toObjectId"]) for _, targets in pages for target in targets})
