"""Which endpoints plansync itself calls: read off recordings, never listed by hand."""

import os
from collections.abc import Iterable

from tests.judges.exchanges import UNKNOWN, Exchange, path_template
from tests.judges.results import FOLDER, KEEPING, Endpoint, read, write

ARRANGING = "plansync-contract-suite"
"""How the contract suite's own hands call themselves, so that their requests are not taken for those of the port."""

FILE = FOLDER / "plansync.json"


def calls_in(exchanges: Iterable[Exchange]) -> set[Endpoint]:
    """The endpoints that the product asked for."""
    return {(each.crm, each.method, each.template) for each in exchanges if each.agent != ARRANGING}


def calls_logged(requests: Iterable[dict[str, str]]) -> set[Endpoint]:
    """The endpoints in a sandbox's request log."""
    return {
        (each["crm"], each["method"], path_template(each["crm"], each["method"], each["path"])) for each in requests
    }


def keep_calls(source: str, calls: set[Endpoint]) -> None:
    """Note what was called on an occasion (``nightly run``), or, on other days, hold it against what was noted.

    Raises:
        AssertionError: The product called something that the fidelity page has no row for.
    """
    nowhere = {each for each in calls if each[2] == UNKNOWN}
    assert not nowhere, f"plansync calls paths that the sandbox does not serve: {nowhere}"
    known = {
        endpoint: set(found)
        for each in (read(FILE) if FILE.exists() else [])
        for endpoint, found in each.checks.items()
    }
    if not os.environ.get(KEEPING):
        new = {each for each in calls if source not in known.get(each, ())}
        assert not new, (
            f"the {source} calls endpoints that the fidelity page does not know; run `make fidelity`: {sorted(new)}"
        )
        return
    kept = {endpoint: found - {source} for endpoint, found in known.items()}
    for each in calls:
        kept.setdefault(each, set()).add(source)
    write("plansync", "plansync", "", {endpoint: found for endpoint, found in kept.items() if found})
