"""What is really so in the sample portfolio, and the files that come from no CRM: product usage and survey answers."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random

import orjson
import polars as pl

from integrations.sandbox.quiet_days import Calendar
from integrations.sandbox.stories import SCRIPTS

WEEKS = 26
FEATURES = ("reports", "dashboards", "exports", "workflows", "integrations")
_PRIME = 2_147_483_647
_COMMENTS = ((9, "Works well for us."), (7, "Good, with gaps."), (0, "We expected more, and sooner."))

CUSTOMERS = {
    "number": pl.Int64,
    "name": pl.String,
    "story": pl.String,
    "tone": pl.String,
    "placement": pl.String,
    "link": pl.String,
    "domain": pl.String,
    "account_ref": pl.String,
    "seats_count": pl.Int64,
    "arr_minor": pl.Int64,
    "currency": pl.String,
    "renewal_date": pl.Date,
    "dispute": pl.String,
    "usage": pl.String,
    "features_count": pl.Int64,
    "respondent": pl.String,
}
ACCOUNTS = {
    "number": pl.Int64,
    "crm": pl.String,
    "crm_id": pl.String,
    "name": pl.String,
    "state": pl.String,
    "merged_into": pl.String,
}


@dataclass(frozen=True)
class Truth:
    """What is really so, which no CRM says.

    ``customers``: one row per firm with its story; ``tone`` is what a good health score should find (healthy,
    middling, trouble, or none for a firm of which too little is known); ``link`` is how its two accounts can be known
    as one, null with one account; ``renewal_date`` is what holds, ``dispute`` the source that says otherwise;
    ``account_ref`` names the firm in usage files.

    ``accounts``: one row per CRM account; ``state`` is live, merged or deleted. Accounts with the same ``number`` are
    one firm.
    """

    seed: int
    as_of: date
    customers: pl.DataFrame
    accounts: pl.DataFrame

    def write(self, folder: Path) -> None:
        """Keep the truth as two Parquet files and a JSON file, so that ``read`` finds it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.customers.write_parquet(folder / "customers.parquet")
        self.accounts.write_parquet(folder / "accounts.parquet")
        (folder / "portfolio.json").write_bytes(orjson.dumps({"seed": self.seed, "as_of": self.as_of}))

    @classmethod
    def read(cls, folder: Path) -> "Truth":
        """What ``write`` kept."""
        known = orjson.loads((folder / "portfolio.json").read_bytes())
        frames = (pl.read_parquet(folder / f"{name}.parquet") for name in ("customers", "accounts"))
        return cls(known["seed"], date.fromisoformat(known["as_of"]), *frames)


def write_usage(folder: Path, truth: Truth) -> Path:
    """Write the product usage of 26 weeks as one Parquet file of ``frames.Usage``; returns its path.

    A row sums up a week, dated on its Sunday, the last one being the last Sunday before ``as_of``: so weeks are whole,
    and a day later they are the same weeks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"usage-{truth.as_of}.parquet"
    _usage(truth).write_parquet(path)
    return path


def _usage(truth: Truth) -> pl.DataFrame:
    last_sunday = truth.as_of - timedelta(days=truth.as_of.isoweekday())
    weeks = pl.DataFrame({"week": range(WEEKS)}, schema={"week": pl.Int64})
    features = pl.DataFrame({"feature": ["login", *FEATURES]}).with_row_index("place")
    users = truth.customers.filter(pl.col("account_ref").is_not_null())
    rows = (
        users.join(weeks, how="cross").join(features, how="cross").filter(pl.col("place") <= pl.col("features_count"))
    )
    level = _weekly_level() * (0.93 + 0.14 * _drawn(truth.seed)) * (1 / (1 + pl.col("place")))
    is_dead = (pl.col("usage") == "decaying") & (pl.col("week") < 4)
    base = pl.max_horizontal(pl.col("seats_count") * 2, 30)
    events = (
        pl.when(is_dead).then((pl.col("place") == 0).cast(pl.Int64)).otherwise((base * level).round().cast(pl.Int64))
    )
    counted = rows.with_columns(event_count=events).filter(pl.col("event_count") > 0)
    return counted.select(
        "account_ref",
        usage_date=pl.lit(last_sunday) - pl.duration(days=pl.col("week") * 7),
        feature="feature",
        event_count="event_count",
        user_count=pl.min_horizontal(pl.col("seats_count"), (pl.col("event_count") / 3).ceil().cast(pl.Int64)),
    ).sort("account_ref", "usage_date", "feature")


def _weekly_level() -> pl.Expr:
    """Use in a week, week 0 being the latest, against the customer's normal."""
    week = pl.col("week")
    decaying = pl.when(week < 9).then(0.35).when(week < 14).then(0.7).otherwise(1.0)
    return (
        pl.when(pl.col("usage") == "growing")
        .then(1.0 - 0.02 * week)
        .when((pl.col("usage") == "halved") & (week < 4))
        .then(0.43)
        .when(pl.col("usage") == "decaying")
        .then(decaying)
        .otherwise(1.0)
    )


def _drawn(seed: int) -> pl.Expr:
    """A number from 0 to 1 for each row, by arithmetic alone, so that it is the same in every release of polars."""
    place = pl.col("number") * 7_919 + pl.col("week") * 104_729 + pl.col("place").cast(pl.Int64) * 1_299_709
    value = (place + seed % _PRIME) % _PRIME
    for factor in (48_271, 69_621, 40_692):
        value = value * factor % _PRIME
    return value / _PRIME


def write_surveys(folder: Path, truth: Truth) -> Path:
    """Write survey answers of the last nine months as one CSV file of ``frames.Surveys``; returns its path.

    Three customers of ten never answered.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"surveys-{truth.as_of}.csv"
    calendar, draw = Calendar(truth.as_of), Random(f"surveys:{truth.seed}")
    rows = [row for customer in truth.customers.iter_rows(named=True) for row in _answers(customer, calendar, draw)]
    columns = ("account_ref", "answered_at", "kind", "score", "respondent", "comment")
    pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row").write_csv(path)
    return path


def _answers(customer: dict[str, object], calendar: Calendar, draw: Random) -> list[tuple[object, ...]]:
    if customer["account_ref"] is None or draw.random() < 0.3:
        return []
    low, high = SCRIPTS[str(customer["story"])].nps
    latest = ("nps", draw.randint(low, high), calendar.distance(draw, -117, -24))
    before = ("nps", draw.randint(7, 10), calendar.distance(draw, -267, -185))
    given = [latest, before] if draw.random() < 0.5 else [latest]
    if draw.random() < 0.3:
        given.append(("csat", 10 * draw.randint(low, high), calendar.distance(draw, -117, -24)))
    return [_answer(customer, kind, score, calendar.day(distance), draw) for kind, score, distance in given]


def _answer(customer: dict[str, object], kind: str, score: int, day: date, draw: Random) -> tuple[object, ...]:
    at = datetime.combine(day, time(9 + draw.randrange(8), draw.randrange(60)), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    share = score if kind == "nps" else score // 10
    comment = (
        "Works well for us." if share >= 9 else "Good, with gaps." if share >= 7 else "We expected more, and sooner."
    )
    return (customer["account_ref"], at, kind, str(score), customer["respondent"], comment)
