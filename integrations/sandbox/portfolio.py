"""The sample portfolio: who gets which story and which CRM, both CRMs filled, and the truth kept apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from random import Random

import polars as pl

from integrations.sandbox.firms import Firm, Placement
from integrations.sandbox.hubspot_portal import Portal
from integrations.sandbox.portfolio_hubspot import HubSpotBook
from integrations.sandbox.portfolio_names import Names
from integrations.sandbox.portfolio_salesforce import SalesforceBook
from integrations.sandbox.portfolio_truth import ACCOUNTS, CUSTOMERS, Truth, write_surveys, write_usage
from integrations.sandbox.quiet_days import Calendar
from integrations.sandbox.salesforce_store import prepare
from integrations.sandbox.state import State
from integrations.sandbox.stories import SCRIPTS, Storyteller

__all__ = ["Truth", "casting", "populate", "write_surveys", "write_usage"]

CUSTOMERS_A_CSM = 40
FEWEST_CSMS = 3
FIRMS_A_SAVE = 1_000
LINKS = ("explicit", "domain", "exact_name", "fuzzy_name")
"""By what one firm in both CRMs can be known: an id field, the web domain, the name as such, or a misspelt name."""
_ONE_CRM_STORIES = frozenset({"merged", "deleted", "name_only"})
_OWNER_NAMES = 4_000
_FIRST_IN_BOTH = 3
_EVENING = time(20, tzinfo=UTC)


def populate(state: State, *, customers: int, seed: int, as_of: date) -> Truth:
    """Fill both CRMs with a sample portfolio as it stands in the evening of ``as_of``.

    The same arguments make the same bytes. No distance between ``as_of`` and a date
    lies within two days of an edge that rules know (``quiet_days``), so that nothing changes in the night after.

    Args:
        state: Without records so far.
        customers: How many firms; about one in twenty less are live customers, since some are deleted or merely named.
        seed: Decides everything that is drawn.
        as_of: No record is newer.

    Raises:
        ValueError: More firms than can be told apart by name.
    """
    names = Names(seed)
    if customers > names.capacity:
        raise ValueError(f"at most {names.capacity} customers have distinct names, not {customers}")
    with _clock_at(state, datetime.combine(as_of, _EVENING)):
        prepare(state)
        Portal(state)
        assembly = _Assembly(state, names, seed, as_of, customers)
        for number, story in enumerate(casting(customers, seed)):
            assembly.add(number, story)
        assembly.save()
    return Truth(
        seed,
        as_of,
        pl.DataFrame(assembly.customers, schema=CUSTOMERS, orient="row"),
        pl.DataFrame(assembly.accounts, schema=ACCOUNTS, orient="row"),
    )


@contextmanager
def _clock_at(state: State, instant: datetime) -> Iterator[None]:
    """Stop the clock meanwhile: what a CRM derives from the time of writing must not depend on when this runs."""
    before = state.clock.fixed_at
    state.clock.set(instant)
    try:
        yield
    finally:
        state.clock.set(before)


def casting(customers: int, seed: int) -> list[str]:
    """A story for each firm: its share of the portfolio, but at least one of each, in drawn order."""
    names = list(SCRIPTS)[:customers]
    counts = {name: max(1, int(SCRIPTS[name].share * customers)) for name in names[1:]}
    surplus = sum(counts.values()) - customers
    for name in sorted(counts, key=lambda name: -counts[name]):
        cut = max(0, min(surplus, counts[name] - 1))
        counts[name], surplus = counts[name] - cut, surplus - cut
    cast = [name for name, count in counts.items() for _ in range(count)]
    cast += names[:1] * (customers - len(cast))
    Random(f"casting:{seed}").shuffle(cast)
    if "disputed_renewal" in cast:  # one of them, for sure, is a firm about which two CRMs disagree
        first = cast.index("disputed_renewal")
        cast[first], cast[_FIRST_IN_BOTH] = cast[_FIRST_IN_BOTH], cast[first]
    return cast


def placement_of(number: int, story: str) -> Placement:
    """Nine of twenty firms are in Salesforce, nine in HubSpot, two in both."""
    if number % 20 in {_FIRST_IN_BOTH, 12} and story not in _ONE_CRM_STORIES:
        return "both"
    return "hubspot" if number % 2 else "salesforce"


class _Assembly:
    """Firms on their way into both CRMs, a batch at a time."""

    def __init__(self, state: State, names: Names, seed: int, as_of: date, customers: int) -> None:
        self.state, self.names = state, names
        self.teller = Storyteller(seed, Calendar(as_of), names.given, names.surnames)
        since = datetime.combine(as_of - timedelta(days=1_200), time(9), UTC)
        csms = max(FEWEST_CSMS, customers * 11 // 20 // CUSTOMERS_A_CSM)
        people = list(self._people(seed))
        self.salesforce = SalesforceBook(csms, people, since)
        self.hubspot = HubSpotBook(csms, people[::-1], since)
        self.customers: list[tuple[object, ...]] = []
        self.accounts: list[tuple[object, ...]] = []

    def _people(self, seed: int) -> Iterator[tuple[str, str]]:
        draw = Random(f"owners:{seed}")
        for _ in range(_OWNER_NAMES):
            yield draw.choice(self.names.given), draw.choice(self.names.surnames)

    def add(self, number: int, story: str) -> None:
        """Tell a firm's story and enter it where it belongs."""
        name = self.names.firm(number)
        placement = placement_of(number, story)
        link = LINKS[number // 10 % len(LINKS)] if placement == "both" else ""
        other = name.other(link, number) if link else name.full
        firm = self.teller.tell(
            Firm(number, story, SCRIPTS[story].tone, placement, link, name.full, other, name.domain, csm=number // 2)
        )
        ids = self._enter(firm)
        self.customers.append(_customer(firm, ids))
        if number % FIRMS_A_SAVE == FIRMS_A_SAVE - 1:
            self.save()

    def _enter(self, firm: Firm) -> dict[str, str]:
        """Enter a firm and its accounts; returns the id in each CRM."""
        ids = {}
        if firm.placement != "hubspot":
            ids["salesforce"] = self.salesforce.new_id("Account")
        if firm.placement != "salesforce":
            ids["hubspot"] = self.hubspot.new_id("companies")
        is_told_here = firm.number // 40 % 2
        links = dict(zip(ids, reversed(ids.values()), strict=True)) if firm.link == "explicit" else {}
        if "salesforce" in ids:
            self.salesforce.add(firm, ids["salesforce"], links.get("salesforce") if is_told_here else None)
        if "hubspot" in ids:
            self.hubspot.add(firm, ids["hubspot"], None if is_told_here else links.get("hubspot"))
        for crm, crm_id in ids.items():
            name = firm.other_name if crm == "hubspot" and firm.placement == "both" else firm.name
            state = "deleted" if firm.story == "deleted" else "live"
            self.accounts.append((firm.number, crm, crm_id, name, state, None))
            if firm.story == "merged":
                book = self.salesforce if crm == "salesforce" else self.hubspot
                loser = book.add_merged(firm, crm_id)
                self.accounts.append((firm.number, crm, loser, f"{firm.name} (old)", "merged", crm_id))
        return ids

    def save(self) -> None:
        """Write what was entered since the last time, all or nothing."""
        with self.state.transaction():
            self.salesforce.save(self.state)
            self.hubspot.save(self.state)


def _customer(firm: Firm, ids: dict[str, str]) -> tuple[object, ...]:
    is_known = bool(firm.contacts)
    by_domain = len(ids) > 1 or firm.number % 10 == 7
    crm, crm_id = next(iter(ids.items()))
    return (
        firm.number,
        firm.name,
        firm.story,
        firm.tone,
        firm.placement,
        firm.link or None,
        firm.domain,
        (firm.domain if by_domain else f"{crm}:{crm_id}") if is_known else None,
        firm.seats if is_known else None,
        firm.arr * 100 if is_known else None,
        firm.currency if is_known else None,
        firm.true_renewal,
        firm.dispute,
        SCRIPTS[firm.story].usage if is_known else None,
        _features(firm) if is_known else None,
        firm.contacts[0].email if is_known else None,
    )


def _features(firm: Firm) -> int:
    low, high = SCRIPTS[firm.story].features
    return low + firm.number // 2 % (high - low + 1)
