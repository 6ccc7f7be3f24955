"""Frames for the tests of the store: rows with odd values that fulfil each contract."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dataframely as dy
import polars as pl

from models import enums, frames

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
TODAY = date(2026, 11, 21)
TEXTS = [
    "",
    "Ünïcode 株式会社 🚀",
    'say "hi", ok',
    "line\nbreak\r\n\\.\nend",
    "\\N",
    "  spaces ",
    "a\tb",
    "'; DROP TABLE x; --",
    "{}",
]
NUMBERS = [0, 1, -1, 2**63 - 1, -(2**63), 4_200_000_00]
FRACTIONS = [0.0, 0.1, 1e-300, 73.5, 99.999999, 1 / 3]
DAYS = [date(2026, 2, 28), date(2024, 2, 29), date(1999, 12, 31), date(2099, 1, 1)]
WORDS: dict[str, type[Any]] = {
    "crm": enums.Crm,
    "left_crm": enums.Crm,
    "right_crm": enums.Crm,
    "section": enums.Section,
    "method": enums.IdentityMethod,
    "role": enums.StakeholderRole,
    "status": enums.SignalStatus,
    "band": enums.Band,
    "window": enums.RenewalWindow,
    "risk": enums.RenewalRisk,
    "stage": enums.Stage,
    "engagement_model": enums.EngagementModel,
    "plan_type": enums.PlanType,
}
KINDS: dict[type[dy.Schema], dict[str, type[Any]]] = {
    frames.Opportunities: {"kind": enums.OpportunityKind},
    frames.Tickets: {"priority": enums.TicketPriority},
    frames.Activities: {"kind": enums.ActivityKind, "outcome": enums.ActivityOutcome},
    frames.Tasks: {"priority": enums.TaskPriority},
    frames.PlanItems: {"kind": enums.PlanItemKind},
    frames.Surveys: {"kind": enums.SurveyKind},
}
NAMES = {"crm_id", "customer_id", "left_crm_id", "right_crm_id", "account_ref", "alias_id"}


def rows_of(schema: type[dy.Schema], count: int = 40, seed: int = 0) -> pl.DataFrame:
    """Rows that fulfil a contract, with every kind of odd value and with nulls wherever they are allowed."""
    draw = random.Random(seed)
    found = {
        name: [_value(draw, schema, name, column, n) for n in range(count)] for name, column in schema.columns().items()
    }
    return schema.validate(pl.DataFrame(found, schema=frames.dtypes(schema)))


def _value(draw: random.Random, schema: type[dy.Schema], name: str, column: dy.Column, number: int) -> Any:
    if column.nullable and draw.random() < 0.3:
        return None
    if isinstance(column, dy.String):
        return _text(draw, schema, name, number)
    if isinstance(column, dy.Int64):
        return {"rating": 3}.get(name, _number(draw, name))
    if isinstance(column, dy.Float64):
        return draw.choice([0.0, 0.25, 1.0] if name in {"confidence", "score"} else FRACTIONS)
    choices: dict[type[dy.Column], Any] = {
        dy.Bool: lambda: draw.random() < 0.5,
        dy.Date: lambda: draw.choice(DAYS),
        dy.Datetime: lambda: NOW - timedelta(microseconds=draw.randrange(10**15)),
        dy.List: lambda: draw.sample(TEXTS, draw.randrange(4)),
    }
    return choices[type(column)]()


def _number(draw: random.Random, name: str) -> int:
    number = draw.choice(NUMBERS)
    return abs(number) % 2**62 if name.endswith("_count") else number


def _text(draw: random.Random, schema: type[dy.Schema], name: str, number: int) -> str:
    words = KINDS.get(schema, {}).get(name) or (WORDS.get(name) if _is_word(schema, name) else None)
    if words is not None:
        return str(draw.choice(list(words)))
    if name in NAMES:
        return f"id{number:05}"
    return draw.choice(TEXTS) or "x"


def _is_word(schema: type[dy.Schema], name: str) -> bool:
    column = schema.columns()[name]
    return isinstance(column, dy.String) and column.check is not None


def drawn(schema: type[dy.Schema], **columns: list[Any]) -> pl.DataFrame:
    """Rows with the given columns of a contract, and in every other null, or else one allowed value for all rows."""
    count = len(next(iter(columns.values())))
    plain = pl.concat([rows_of(schema, 1, seed=1)] * count).with_columns(
        pl.lit(None, column.dtype).alias(name) for name, column in schema.columns().items() if column.nullable
    )
    types = frames.dtypes(schema)
    return plain.with_columns(pl.Series(name, values, dtype=types[name]) for name, values in columns.items())
