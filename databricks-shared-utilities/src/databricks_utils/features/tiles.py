"""Daily tiles: what the events of an entity add up to on one day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.data_quality.sql_text import quoted_name
from databricks_utils.features.aggregations import Part
from databricks_utils.features.plan import Measure, Plan
from databricks_utils.sql_literal import string_literal

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

DAY = "_day"
#: Greatest total of one day. The totals of a window of 730 days then fit a BIGINT, so engines need not look again.
LARGEST_TOTAL = 2**52
#: Greatest value whose square can be part of such a total.
LARGEST_SQUARED = 2**26


def daily_tiles(events: DataFrame, plan: Plan, first_day: int, last_day: int) -> DataFrame:
    """Add up events by entity and day.

    Args:
        events: Rows of the source.
        plan: What is added up.
        first_day: First day that features are wanted of, counted from 1970-01-01; events before it are read as far
            back as the longest window and one day reach.
        last_day: Last day that features are wanted of.

    Returns:
        One row for each entity and day with an event: the keys, `_day` INT, and `part_names`: counts and sums
        BIGINT, never NULL; least and greatest BIGINT; different values ARRAY.
    """
    values = daily_values(relevant(events, plan, first_day, last_day), plan)
    return values.groupBy(*map(quoted_name, plan.keys), DAY).agg(*_kept(plan))


def relevant(events: DataFrame, plan: Plan, first_day: int, last_day: int) -> DataFrame:
    """Return the events of known entities that windows of some days can hold."""
    known = " AND ".join(f"{quoted_name(key)} IS NOT NULL" for key in plan.keys)
    return events.where(known).where(plan.between(first_day - plan.longest, last_day))


def daily_values(events: DataFrame, plan: Plan) -> DataFrame:
    """Return what each event adds: the keys, `_day` INT, and `value_name` of each measure, NULL where nothing."""
    values = [F.expr(measure.value).alias(value_name(number)) for number, measure in enumerate(plan.measures)]
    return events.select(*map(quoted_name, plan.keys), F.expr(plan.day).alias(DAY), *values)


def value_name(measure: int) -> str:
    """Return the event column that holds what an event adds to a measure."""
    return f"_v{measure}"


def part_name(measure: int, part: Part) -> str:
    """Return the tile column that holds a part of a measure."""
    return f"_{part}{measure}"


def kept_parts(measure: Measure) -> tuple[Part, ...]:
    """Return the parts that a tile holds; the others follow from them."""
    return tuple(part for part in measure.parts if part not in ("days", "last"))


def too_great(plan: Plan, measure: Measure) -> str:
    """Say that a day's total does not fit."""
    return (
        f"{plan.name}: a day's total of {measure.value} is too great to be added up exactly; "
        "keep fewer decimal places in the source or in scale"
    )


def _kept(plan: Plan) -> Iterator[Column]:
    for number, measure in enumerate(plan.measures):
        for part in kept_parts(measure):
            yield F.expr(_aggregate(part, value_name(number), plan, measure)).alias(part_name(number, part))


def _aggregate(part: Part, value: str, plan: Plan, measure: Measure) -> str:
    if part == "s":
        return _total(f"try_sum({value})", f"abs(try_sum({value})) <= {LARGEST_TOTAL}L", value, plan, measure)
    if part == "q":
        small = f"greatest(max({value}), -min({value})) <= {LARGEST_SQUARED}L"
        total = f"try_sum(try_multiply({value}, {value}))"
        return _total(total, f"{small} AND {total} <= {LARGEST_TOTAL}L", value, plan, measure)
    plain = {"n": "count({})", "low": "min({})", "high": "max({})", "set": "collect_set({})"}
    return plain[part].format(value)


def _total(total: str, fits: str, value: str, plan: Plan, measure: Measure) -> str:
    raised = f"CAST(raise_error({string_literal(too_great(plan, measure))}) AS BIGINT)"
    return f"CASE WHEN count({value}) = 0 THEN 0L WHEN {fits} THEN {total} ELSE {raised} END"
