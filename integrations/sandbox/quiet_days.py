"""Days on which nothing happens overnight.

Rules of customer success count in days: 90, 60 and 30 before a renewal, 60 of silence, 28 of usage. A distance from
``as_of`` that is two days or less from such an edge could cross it in the night after, so that a run on the next day
would have something to write. The sample portfolio draws every distance from here, and so promises a quiet night.
From 82 to 93 days nothing happens at all, so that not even a quarter that is counted in whole weeks loses a day.
"""

from datetime import UTC, date, datetime, time, timedelta
from random import Random

EDGES = (0, 7, 14, 18, 21, 28, 30, 31, 45, 56, 60, 84, 87, 90, 91, 112, 120, 180, 182, 270, 365, 366, 540, 730)
MARGIN = 2
HORIZON = 3 * 366


def is_quiet(day: int) -> bool:
    """Whether a distance, in days, is far enough from every edge."""
    return all(abs(abs(day) - edge) > MARGIN for edge in EDGES)


_QUIET = tuple(day for day in range(HORIZON) if is_quiet(day))


def quiet_distances(low: int, high: int) -> tuple[int, ...]:
    """All quiet distances from ``low`` to ``high`` days, both inclusive; negative ones lie in the past.

    Raises:
        ValueError: There is none in between.
    """
    found = tuple(sorted(-day for day in _QUIET if low <= -day <= high) + [day for day in _QUIET if low <= day <= high])
    if not found:
        raise ValueError(f"no quiet day between {low} and {high}")
    return found


class Calendar:
    """Draws quiet distances from one day; what was asked for once is kept, since all customers ask alike."""

    def __init__(self, as_of: date) -> None:
        self.as_of = as_of
        self._known: dict[tuple[int, int], tuple[int, ...]] = {}

    def distance(self, draw: Random, low: int, high: int) -> int:
        """A quiet distance from ``low`` to ``high`` days."""
        choices = self._known.get((low, high))
        if choices is None:
            choices = self._known[low, high] = quiet_distances(low, high)
        return choices[int(draw.random() * len(choices))]

    def day(self, distance: int) -> date:
        """The day ``distance`` days after ``as_of``; before it when negative."""
        return self.as_of + timedelta(days=distance)

    def instant(self, draw: Random, distance: int) -> datetime:
        """A whole quarter of an hour in office hours of that day, UTC."""
        quarter = int(draw.random() * 32)
        return datetime.combine(self.day(distance), time(8 + quarter // 4, quarter % 4 * 15), UTC)
