"""The features of `feature_shop` by the plainest means: for each day and window, look at every event again."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from databricks_utils.features import Feature, FeatureTable

Event = Mapping[str, Any]
Key = tuple[Any, ...]
DEFAULTS = {"count": 0, "sum": 0, "count_distinct": 0, "active_days": 0}


def features_of(
    events: Iterable[Event], table: FeatureTable, first_day: date, last_day: date
) -> dict[Key, dict[str, Any]]:
    """Return the columns by entity and `available_at`."""
    found: dict[Key, dict[str, Any]] = {}
    by_entity: dict[Key, list[Event]] = {}
    for event in events:
        entity = tuple(event[name] for name in table.entity)
        if None not in entity and event[table.source.timestamp] is not None:
            by_entity.setdefault(entity, []).append(event)
    for entity, own in by_entity.items():
        for number in range((last_day - first_day).days + 1):
            day = first_day + timedelta(number)
            # One day longer than the longest window: the row that says that nothing is left.
            if _within(own, table, day, table.longest_window + 1):
                available = datetime(day.year, day.month, day.day, tzinfo=timezone.utc) + timedelta(1)
                found[(*entity, available)] = {
                    column: _value(feature, table, own, day, window) for column, feature, window in table.outputs()
                }
    return found


def bits(value: Any) -> Any:
    """Return what two values must share to be the same number to the last bit."""
    return struct.pack("<d", value).hex() if isinstance(value, float) else value


def _within(events: Iterable[Event], table: FeatureTable, day: date, window: int) -> list[Event]:
    return [event for event in events if 0 <= (day - _day(event, table)).days < window]


def _day(event: Event, table: FeatureTable) -> date:
    moment: datetime = event[table.source.timestamp]
    return moment.astimezone(timezone.utc).date()


def _value(feature: Feature, table: FeatureTable, own: Sequence[Event], day: date, window: int) -> Any:
    inside = _within(own, table, day, window)
    chosen = [event for event in inside if all(_meets(event[name], wanted) for name, wanted in feature.where.items())]
    value = _said(feature, table, [_counted(chosen, feature), _counted(inside, feature)], day)
    if value is None:
        empty = feature.empty if isinstance(feature.empty, int | float) else DEFAULTS.get(feature.aggregation)
        return 0.0 if (feature.aggregation, feature.of) == ("sum", "amount") else empty
    return value


def _meets(value: Any, wanted: Any) -> bool:
    return value is not None and value in (wanted if isinstance(wanted, list) else [wanted])


def _counted(events: Iterable[Event], feature: Feature) -> list[tuple[Event, Any]]:
    pairs = [(event, 1 if feature.of is None else _number(event[feature.of], feature.scale)) for event in events]
    if feature.nulls == "zero":
        pairs = [(event, 0 if value is None else value) for event, value in pairs]
    return [(event, value) for event, value in pairs if value is not None]


def _number(value: Any, scale: int | None) -> Any:
    """Return hundredths of a decimal, and of floating point as many units as the scale says."""
    if isinstance(value, Decimal):
        return int(value * 100)
    if isinstance(value, float) and scale is not None:
        if not math.isfinite(value):
            return None
        return int(Decimal(repr(value * 10**scale)).quantize(Decimal(1), ROUND_HALF_UP))
    return int(value) if isinstance(value, bool) else value


def _said(feature: Feature, table: FeatureTable, pairs: Sequence[list[tuple[Event, Any]]], day: date) -> Any:
    chosen, everything = pairs
    values = [value for _, value in chosen]
    units = 100 if feature.of == "amount" else 10 ** (feature.scale or 0)
    if feature.aggregation == "share":
        total = sum(value for _, value in everything)
        return float(sum(values)) / float(total) if total else None
    if not values:
        return None
    if feature.aggregation == "std":
        n, s, q = len(values), sum(values), sum(value * value for value in values)
        if n < 2:
            return None
        variance = (float(q) * float(n) - float(s) * float(s)) / float(n * (n - 1))
        return math.sqrt(max(variance, 0.0)) / float(units)
    if feature.aggregation == "mean":
        return float(sum(values)) / float(len(values) * units)
    if feature.aggregation in ("sum", "min", "max"):
        whole = {"sum": sum, "min": min, "max": max}[feature.aggregation](values)
        return whole if units == 1 else float(whole) / float(units)
    days = {_day(event, table) for event, _ in chosen}
    return {
        "count": len(values),
        "count_distinct": len(set(values)),
        "active_days": len(days),
        "days_since_last": (day - max(days)).days,
    }[feature.aggregation]
