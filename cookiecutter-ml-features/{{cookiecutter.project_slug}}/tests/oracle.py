"""Features by the plainest means: for every household, day and window, look at every event again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from databricks_utils.features import Feature, FeatureTable

Event = Mapping[str, Any]
#: What is said where there is nothing to say it of.
EMPTY = {"count": 0, "sum": 0, "count_distinct": 0, "active_days": 0}


def features_on(events: Iterable[Event], table: FeatureTable, day: date) -> dict[int, dict[str, Any]]:
    """Return the columns by household, for the row of a day."""
    own: dict[int, list[Event]] = {}
    for event in events:
        own.setdefault(event["household_id"], []).append(event)
    return {
        household: {column: value(feature, table, mine, day, window) for column, feature, window in table.outputs()}
        for household, mine in own.items()
        if within(mine, table, day, table.longest_window)
    }


def value(feature: Feature, table: FeatureTable, events: Sequence[Event], day: date, window: int) -> Any:
    """Return one feature."""
    inside = within(events, table, day, window)
    chosen = [event for event in inside if all(meets(event[name], wanted) for name, wanted in feature.where.items())]
    values = [1 if feature.of is None else event[feature.of] for event in chosen]
    days = [day_of(event, table) for event in chosen]
    if feature.aggregation == "share":
        everything = sum(event[feature.of or ""] for event in inside)
        return float(sum(values) / everything) if everything else None
    if not chosen:
        return EMPTY.get(feature.aggregation)
    if feature.aggregation == "std":
        return deviation(values)
    # Only what is asked for: the names of departments have a number, and no sum.
    said: dict[str, Callable[[], Any]] = {
        "count": lambda: len(values),
        "count_distinct": lambda: len(set(values)),
        "active_days": lambda: len(set(days)),
        "days_since_last": lambda: (day - max(days)).days,
        "sum": lambda: sum(values),
        "mean": lambda: sum(values) / len(values),
        "min": lambda: min(values),
        "max": lambda: max(values),
    }
    return said[feature.aggregation]()


def deviation(values: Sequence[Any]) -> float | None:
    """Return the sample's standard deviation, in exact decimals up to the root."""
    if len(values) < 2:
        return None
    mean = sum(values, Decimal(0)) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def within(events: Iterable[Event], table: FeatureTable, day: date, window: int) -> list[Event]:
    """Return the events of the window that ends with a day."""
    return [event for event in events if 0 <= (day - day_of(event, table)).days < window]


def day_of(event: Event, table: FeatureTable) -> date:
    """Return an event's day in UTC."""
    moment = event[table.source.timestamp]
    return moment.astimezone(timezone.utc).date() if isinstance(moment, datetime) else moment


def meets(value: Any, wanted: Any) -> bool:
    """Say whether a value is the one wanted, or one of them."""
    return value in (wanted if isinstance(wanted, list) else [wanted])


def noon(day: date, hours: int = 0) -> datetime:
    """Return a moment of a day in UTC."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=timezone.utc) + timedelta(hours=hours)
