"""What happens to a customer of the sample portfolio: each story is a line of a table, and its life follows from it.

Nothing here knows a CRM's field names. Dates are distances from ``as_of``, drawn from quiet days only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from integrations.sandbox.firms import Activity, Contact, Firm, Opportunity, PlanItem, Ticket, Todo, Tone
from integrations.sandbox.quiet_days import Calendar, is_quiet

Span = tuple[int, int]
DISPUTES = ("contract_end", "opportunity", "other_crm")
"""Which source contradicts the others about a renewal date."""


@dataclass(frozen=True, slots=True)
class Script:
    """What sets a story apart. Spans are both ends inclusive; those of days in the past count backwards.

    ``features`` are those in use beside logging in; ``ratings`` the percent that customers give closed tickets.
    """

    tone: Tone
    share: float
    renewal: Span = (3, 362)
    has_review: bool = True
    last_contact: Span = (3, 11)
    has_sponsor: bool = True
    is_sponsor_absent: bool = False
    engaged_people: int = 4
    missed_meetings: int = 0
    unanswered_emails: int = 0
    champion_left: Span | None = None
    has_burning_tickets: bool = False
    usage: str = "steady"
    features: Span = (3, 5)
    ratings: Span = (82, 100)
    nps: Span = (8, 10)


def _so_so(share: float, *, tone: Tone = "middling", **more: Any) -> Script:
    """A customer with whom little is right: use has halved, few features, lukewarm ratings, a sponsor seldom seen."""
    lukewarm: dict[str, Any] = {
        "usage": "halved", "features": (1, 2), "ratings": (62, 76), "nps": (7, 8), "is_sponsor_absent": True,
    }  # fmt: skip
    return Script(tone, share, **(lukewarm | more))


SCRIPTS: Mapping[str, Script] = {
    "steady": Script("healthy", 0.38),
    "growing": Script("healthy", 0.20, renewal=(94, 362), usage="growing", nps=(9, 10)),
    "disputed_renewal": Script("healthy", 0.04, renewal=(34, 260)),
    "renewal_unprepared": _so_so(0.05, renewal=(34, 81), has_review=False),
    "single_threaded": _so_so(0.05, engaged_people=1, last_contact=(10, 25)),
    "missed_checkins": _so_so(0.04, last_contact=(34, 42), missed_meetings=2, nps=(6, 8)),
    "sponsor_unnamed": _so_so(0.05, has_sponsor=False, last_contact=(10, 25)),
    "inactive_owner": _so_so(0.02, last_contact=(24, 42)),
    "champion_left": _so_so(
        0.04, tone="trouble", renewal=(3, 177), has_review=False, last_contact=(48, 53), champion_left=(34, 42),
        unanswered_emails=3, ratings=(40, 58), nps=(3, 6),
    ),
    "usage_decaying": _so_so(
        0.04, tone="trouble", renewal=(3, 177), last_contact=(24, 42), usage="decaying", features=(1, 1), nps=(2, 6),
        ratings=(40, 58), unanswered_emails=1,
    ),
    "tickets_burning": _so_so(
        0.03, tone="trouble", renewal=(3, 177), has_burning_tickets=True, ratings=(10, 39), nps=(0, 5)
    ),
    "silent": _so_so(
        0.03, tone="trouble", renewal=(-25, 117), has_review=False, last_contact=(65, 117), unanswered_emails=4,
        ratings=(40, 58), nps=(4, 6),
    ),
    "merged": Script("healthy", 0.01),
    "deleted": Script("none", 0.01),
    "name_only": Script("none", 0.01),
}  # fmt: skip


_ROLES = ("champion", "executive_sponsor", "day_to_day", "technical_admin", "it_procurement")
_SPONSOR = 1
_TITLES = {
    "champion": ("Head of Operations", "Director of Operations", "Operations Manager"),
    "executive_sponsor": ("Chief Operating Officer", "Chief Financial Officer", "VP Operations"),
    "day_to_day": ("Team Lead", "Coordinator", "Specialist"),
    "technical_admin": ("Systems Administrator", "IT Engineer"),
    "it_procurement": ("Head of IT", "Procurement Manager"),
    None: ("Analyst", "Accountant", "Planner", "Assistant"),
}
_MEETINGS = ("Check-in", "Adoption workshop", "Quarterly business review", "Roadmap session", "Training")
_CALLS = ("Check-in call", "Question about exports", "Call on onboarding of new users", "Follow-up call")
_EMAILS = ("Re: next steps", "Question about permissions", "Feedback on the new dashboard", "Re: our last meeting")
_UNANSWERED = ("Following up", "Time for a short call?", "Are we still on track?", "Checking in again")
_CALM_TICKETS = (
    "How do I add a user?",
    "Export takes long",
    "Report shows an old total",
    "Invoice address",
    "SSO setup",
)
_BURNING_TICKETS = ("Data missing after import", "Users cannot log in", "Wrong figures in board report", "API down")
_TODOS = ("Send the recap of the last meeting", "Prepare the business review", "Share the training plan")


@dataclass(slots=True)
class Storyteller:
    """Writes the lives of firms. Every firm has its own seed, so that its life depends on nothing else."""

    seed: int
    calendar: Calendar
    given: Sequence[str]
    surnames: Sequence[str]

    def tell(self, firm: Firm) -> Firm:
        """Fill in what happens to a firm of which only name, story and placement are known."""
        draw = Random(f"{self.seed}:{firm.number}")
        self._introduce(firm, draw)
        if firm.story in {"name_only", "deleted"}:
            return firm
        age = self._sign(firm, draw)
        self._people(firm, draw, age)
        self._encounters(firm, draw, age)
        self._support(firm, draw, age)
        self._sales(firm, draw, age)
        self._chores(firm, draw)
        if firm.placement != "hubspot" and firm.number // 2 % 2:
            firm.plan_items = self._plan(firm, draw)
        firm.changed_at = max(each.logged_at for each in firm.activities)
        return firm

    def _introduce(self, firm: Firm, draw: Random) -> None:
        """Size and value: revenue runs from 3,000 to 250,000, most of it small; the rest follows from it."""
        firm.created_at = self.calendar.instant(draw, -self.calendar.distance(draw, 740, 1050))
        firm.changed_at = firm.created_at
        firm.industry = draw.randrange(7)
        firm.arr = round(3_000 * (250_000 / 3_000) ** draw.random(), -2)
        firm.tier = "enterprise" if firm.arr >= 50_000 else "mid_market" if firm.arr >= 15_000 else "smb"
        firm.segment = firm.tier if draw.random() < 0.85 else draw.choice(("public_sector", "startup"))
        firm.seats = max(5, int(firm.arr / draw.choice((300, 400, 600))))
        firm.employees = firm.seats * draw.choice((2, 3, 5, 8))
        firm.currency = "EUR" if firm.placement == "hubspot" and draw.random() < 0.1 else "USD"
        firm.is_strategic = draw.random() < 0.06
        firm.notice_days = draw.choice((30, 60, 90))

    def _sign(self, firm: Firm, draw: Random) -> int:
        """Agree on the contract; returns for how many days the firm has been a customer."""
        days = self.calendar.distance(draw, *SCRIPTS[firm.story].renewal)
        while not is_quiet(365 - days):  # the last renewal may count, too
            days = self.calendar.distance(draw, *SCRIPTS[firm.story].renewal)
        firm.true_renewal = firm.renewal_date = firm.other_renewal = self.calendar.day(days)
        firm.contract_end = firm.opportunity_renewal = firm.true_renewal
        age = 365 * draw.choice((1, 2, 2, 3, 4)) - days
        while not is_quiet(age):
            age += 365
        firm.contract_start = self.calendar.day(-age)
        if firm.story == "disputed_renewal":
            self._dispute(firm, draw, days)
        return age

    def _dispute(self, firm: Firm, draw: Random, days: int) -> None:
        """Let one source say another day; the truth is what the contract says."""
        firm.dispute = "other_crm" if firm.placement == "both" else DISPUTES[firm.number // 2 % 2]
        later = self.calendar.day(self.calendar.distance(draw, days + 33, days + 100))
        if firm.dispute == "contract_end":
            firm.contract_end = firm.true_renewal = later
        elif firm.dispute == "opportunity":
            firm.opportunity_renewal = later
        else:
            firm.other_renewal = later

    def _people(self, firm: Firm, draw: Random, age: int) -> None:
        roles = [role for role in _ROLES if role != "executive_sponsor" or SCRIPTS[firm.story].has_sponsor]
        for place in range(draw.randint(4, 10)):
            role = roles[place] if place < len(roles) else None
            first, last = draw.choice(self.given), draw.choice(self.surnames)
            email = f"{first}.{last}{place or ''}@{firm.domain}".lower()
            created = self.calendar.instant(draw, -min(age, self.calendar.distance(draw, 300, 720)))
            firm.contacts.append(Contact(first, last, email, draw.choice(_TITLES[role]), role, None, created))
        left = SCRIPTS[firm.story].champion_left
        if left:
            firm.contacts[0].left_on = self.calendar.day(-self.calendar.distance(draw, *left))

    def _encounters(self, firm: Firm, draw: Random, age: int) -> None:
        """Meetings, calls and emails: the last one that the customer took part in lies where the story wants it."""
        script = SCRIPTS[firm.story]
        last = self.calendar.distance(draw, *script.last_contact)
        recent = [last, *(self.calendar.distance(draw, last, max(81, last)) for _ in range(draw.randint(3, 6)))]
        older = [
            self.calendar.distance(draw, max(94, last), min(max(age, 177), 720)) for _ in range(draw.randint(3, 12))
        ]
        partners = list(range(min(script.engaged_people, len(firm.contacts))))
        has_lapsed = script.is_sponsor_absent and script.has_sponsor and script.engaged_people > _SPONSOR
        present = [place for place in partners if place != _SPONSOR or not has_lapsed]
        for place, ago in enumerate(recent):
            self._met(firm, draw, ago, present[place % len(present)])
        for place, ago in enumerate(older):
            self._met(firm, draw, ago, partners[place % len(partners)])
        if has_lapsed:
            self._met(firm, draw, self.calendar.distance(draw, 123, 177), _SPONSOR)
        for ago in (10, 24, 37, 48)[: script.unanswered_emails]:
            self._emailed(firm, draw, ago)
        for ago in (4, 25)[: script.missed_meetings]:
            self._planned(firm, draw, "Check-in", -ago, "no_show")
        if script.has_review:
            ahead = (firm.true_renewal - self.calendar.as_of).days if firm.true_renewal else 0
            soon = self.calendar.distance(draw, 3, 25 if ahead > 25 else max(3, ahead - 1))
            self._planned(firm, draw, "Quarterly business review", soon, "scheduled")

    def _met(self, firm: Firm, draw: Random, ago: int, contact: int) -> None:
        at = self.calendar.instant(draw, -ago)
        lot = draw.random()
        if lot < 0.4:
            firm.activities.append(Activity("meeting", draw.choice(_MEETINGS), at, "completed", False, contact, at))
        elif lot < 0.6:
            firm.activities.append(Activity("call", draw.choice(_CALLS), at, "completed", lot < 0.5, contact, at))
        else:
            firm.activities.append(Activity("email", draw.choice(_EMAILS), at, "completed", True, contact, at))

    def _emailed(self, firm: Firm, draw: Random, ago: int) -> None:
        at = self.calendar.instant(draw, -ago)
        firm.activities.append(Activity("email", draw.choice(_UNANSWERED), at, "completed", False, 0, at))

    def _planned(self, firm: Firm, draw: Random, subject: str, distance: int, outcome: str) -> None:
        """A meeting in the calendar; one to come was entered a few days ago."""
        at = self.calendar.instant(draw, distance)
        logged = at if distance < 0 else self.calendar.instant(draw, -10)
        firm.activities.append(Activity("meeting", subject, at, outcome, False, 0, logged))

    def _support(self, firm: Firm, draw: Random, age: int) -> None:
        script = SCRIPTS[firm.story]
        latest = [self.calendar.distance(draw, 34, 81) for _ in range(2)]
        others = [self.calendar.distance(draw, 34, min(max(age, 94), 540)) for _ in range(draw.randrange(4))]
        for ago in (*latest, *others):
            priority = draw.choice(("low", "normal", "normal", "high"))
            self._ticket(firm, draw, ago, priority, satisfaction=script.ratings)
        if script.usage == "halved" and firm.tier == "enterprise":
            self._ticket(firm, draw, 10, "urgent", satisfaction=None)
        elif firm.number % 9 == 0:
            self._ticket(firm, draw, 4, "normal", satisfaction=None)
        if script.has_burning_tickets:
            for ago in (10, 11, 35)[: draw.randint(2, 3)]:
                self._ticket(firm, draw, ago, "high", satisfaction=(10, 40), subjects=_BURNING_TICKETS)
            for ago in (3, 4, 11):
                self._ticket(firm, draw, ago, "urgent", satisfaction=None, subjects=_BURNING_TICKETS)
                firm.tickets[-1].is_escalated = True

    def _ticket(
        self, firm: Firm, draw: Random, ago: int, priority: str, *, satisfaction: Span | None,
        subjects: Sequence[str] = _CALM_TICKETS,
    ) -> None:  # fmt: skip
        """A ticket opened ``ago`` days before ``as_of``; one that was rated was closed within a day."""
        opened = self.calendar.instant(draw, -ago)
        closed = self.calendar.instant(draw, -ago + 1) if satisfaction else None
        rating = draw.randint(*satisfaction) if satisfaction else None
        contact = draw.randrange(min(4, len(firm.contacts)))
        firm.tickets.append(Ticket(draw.choice(subjects), priority, False, opened, closed, rating, contact))

    def _sales(self, firm: Firm, draw: Random, age: int) -> None:
        signed = self.calendar.instant(draw, -age)
        add = firm.opportunities.append
        if firm.contract_start:
            add(Opportunity(f"{firm.name} - first contract", "new", "won", firm.arr, firm.contract_start, signed))
        ahead = firm.opportunity_renewal or self.calendar.as_of
        if (ahead - self.calendar.as_of).days <= 177 or firm.dispute == "opportunity":
            entered = self.calendar.instant(draw, -self.calendar.distance(draw, 34, 87))
            add(Opportunity(f"{firm.name} - renewal", "renewal", "open", firm.arr, ahead, entered))
        if firm.story == "growing":
            amount = round(firm.arr * draw.uniform(0.2, 0.5), -2)
            close = self.calendar.day(self.calendar.distance(draw, 34, 87))
            entered = self.calendar.instant(draw, -self.calendar.distance(draw, 10, 25))
            add(Opportunity(f"{firm.name} - more seats", "expansion", "open", int(amount), close, entered))

    def _chores(self, firm: Firm, draw: Random) -> None:
        for subject in _TODOS[: draw.randrange(4)]:
            is_done = draw.random() < 0.6
            due = self.calendar.day(self.calendar.distance(draw, *((-177, -10) if is_done else (3, 25))))
            entered = self.calendar.instant(draw, -self.calendar.distance(draw, 185, 260))
            firm.todos.append(Todo(subject, due, is_done, draw.choice(("low", "normal", "high")), entered))

    def _plan(self, firm: Firm, draw: Random) -> list[PlanItem]:
        """What people agreed with the customer: kept as records in Salesforce only."""
        day, distance = self.calendar.day, self.calendar.distance
        baseline = draw.randint(20, 50)
        champion = f"{firm.contacts[0].first} {firm.contacts[0].last}"
        overdue = firm.tone == "trouble"
        items = [
            PlanItem("goal", draw.choice(("Close the books in three days", "One source of truth for operations"))),
            PlanItem("outcome", "Time saved on monthly reports", {
                "metric": "hours a month", "unit": "hours", "baseline": baseline, "target": baseline // 2,
                "current": baseline - draw.randint(3, 9), "due_date": day(distance(draw, 94, 177)),
            }),
            PlanItem("milestone", "All teams onboarded", {
                "due_date": day(distance(draw, -177, -94)), "is_done": True, "owner_name": champion,
                "owner_side": "customer",
            }),
            PlanItem("milestone", "Integration with finance live", {
                "due_date": day(distance(draw, *((-42, -10) if overdue else (34, 87)))), "owner_name": champion,
                "owner_side": "customer",
            }),
            PlanItem("action", "Send the training calendar", {
                "due_date": day(distance(draw, 10, 25)), "owner_side": "vendor", "owner_name": "Customer success",
            }),
            PlanItem("action", "Name a second administrator", {
                "due_date": day(distance(draw, 34, 42)), "owner_side": "customer", "owner_name": champion,
            }),
        ]  # fmt: skip
        for contact in firm.contacts[:2]:
            influence = "Decision Maker" if contact.role == "executive_sponsor" else "Champion"
            items.append(
                PlanItem(
                    "stakeholder", f"{contact.first} {contact.last}", {"role": contact.role, "influence": influence}
                )
            )
        if firm.tone != "healthy" or draw.random() < 0.3:
            items.append(PlanItem("risk", "Budget review in the customer's next planning round", {
                "likelihood": "medium", "impact": "high", "mitigation": "Show the saved hours to finance beforehand",
            }))  # fmt: skip
        return items
