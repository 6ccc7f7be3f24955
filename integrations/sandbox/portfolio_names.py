"""Names for the sample portfolio: firms that nobody could take for one another, and the people who work there."""

from dataclasses import dataclass
from random import Random

from mimesis import Locale, Person
from mimesis.enums import Gender

WORDS_A_LIST = 101
"""Prime, so that walking the lists with different strides never brings the same two words together twice."""
_POOL = 20_000
_TRADES = """
    Logistics Foods Analytics Robotics Textiles Chemicals Optics Brewing Ceramics Publishing Aviation Shipping Mining
    Forestry Fisheries Plastics Printing Packaging Furniture Lighting Acoustics Bearings Valves Turbines Pumps Cranes
    Elevators Batteries Solar Hydraulics Pneumatics Instruments Sensors Lasers Imaging Diagnostics Pharma Genetics
    Orthopedics Dental Nutrition Bakery Dairy Coffee Spices Vineyards Orchards Seeds Fertilizers Irrigation Machinery
    Tractors Trucking Railways Airports Harbors Bridges Roofing Flooring Plumbing Glassworks Steel Copper Aluminium
    Timber Paper Inks Paints Adhesives Rubber Tires Bicycles Motors Yachts Hotels Resorts Travel Events Ticketing
    Broadcasting Animation Gaming Learning Staffing Payroll Insurance Leasing Mortgages Payments Exchange Auctions
    Retail Outfitters Footwear Jewelry Watches Cosmetics Toys Sports Fitness Gardening
"""
TRADES = tuple(_TRADES.split())
LEGAL_FORMS = ("Inc", "LLC", "Ltd", "GmbH", "Corp")


@dataclass(frozen=True, slots=True)
class FirmName:
    """Two surnames and a trade. ``domain`` is the firm's alone, under a top-level domain kept for examples."""

    first: str
    second: str
    trade: str

    @property
    def full(self) -> str:
        return f"{self.first} {self.second} {self.trade}"

    @property
    def domain(self) -> str:
        return f"{self.first}-{self.second}.example".lower()

    def other(self, link: str, number: int) -> str:
        """What the other CRM calls the same firm: the less there is to link it by, the more alike are the names."""
        form = LEGAL_FORMS[number % len(LEGAL_FORMS)]
        return {
            "explicit": f"{self.second} {self.first} Partners {form}",
            "domain": f"{self.first} & {self.second} Partners",
            "exact_name": f"{self.full.upper()}, {form}.",
        }.get(link, f"{self.first} {_misspelt(self.second)} {self.trade}")


def _misspelt(word: str) -> str:
    """One letter in the middle doubled, as people do."""
    middle = len(word) // 2
    return word[:middle] + word[middle] + word[middle:]


class Names:
    """Names drawn once, then handed out by number: the same seed gives the same ones.

    Two firms share at most one of their three words: on walk ``w`` through the lists, place ``x`` takes first word
    ``x``, second word ``x + 2w`` and trade ``x + w``, and any two of these fix ``x`` and ``w``. When all walks are used
    up, other surnames take over.
    """

    def __init__(self, seed: int) -> None:
        person = Person(Locale.EN, seed=seed)
        surnames = {person.last_name() for _ in range(_POOL)}
        given = {person.first_name(Gender.FEMALE if n % 2 else Gender.MALE) for n in range(_POOL // 4)}
        self.surnames = sorted(name for name in surnames if name.isascii() and name.isalpha())
        self.given = sorted(name for name in given if name.isascii() and name.isalpha())
        draw = Random(f"names:{seed}")
        self._words = [name for name in _unlike(self.surnames) if len(name) > 3]
        draw.shuffle(self._words)
        self._trades = draw.sample(TRADES, WORDS_A_LIST)

    @property
    def capacity(self) -> int:
        """How many firms can be told apart."""
        return len(self._words) // (2 * WORDS_A_LIST) * WORDS_A_LIST**2

    def firm(self, number: int) -> FirmName:
        """The ``number``-th firm's name."""
        lists, within = divmod(number, WORDS_A_LIST**2)
        walk, place = divmod(within, WORDS_A_LIST)
        start = 2 * WORDS_A_LIST * lists
        second = (place + 2 * walk) % WORDS_A_LIST
        trade = (place + walk) % WORDS_A_LIST
        return FirmName(self._words[start + place], self._words[start + WORDS_A_LIST + second], self._trades[trade])


def _unlike(words: list[str]) -> list[str]:
    """Leave out words that begin or end as an earlier one does: Johnson beside Johnston."""
    seen: set[str] = set()
    kept = []
    for word in words:
        ends = {"^" + word[:5].lower(), word[-6:].lower() + "$"}
        if not ends & seen:
            kept.append(word)
        seen |= ends
    return kept
