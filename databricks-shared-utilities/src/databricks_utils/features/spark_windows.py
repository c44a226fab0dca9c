"""From daily tiles to windows with Spark's own functions; slower than numpy, and in need of nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from databricks_utils.data_quality.sql_text import quoted_name
from databricks_utils.features.aggregations import KINDS, Part
from databricks_utils.features.plan import Output, Plan
from databricks_utils.features.tiles import DAY, kept_parts, part_name

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, WindowSpec

AT = "_at"


class _Columns:
    """The formulas' operations on columns."""

    def double(self, value: Column) -> Column:
        return value.cast("double")

    def divide(self, over: Column, under: Column | float) -> Column:
        # A division by 0 is an error in ANSI mode, even where its result is not looked at.
        return over / (F.lit(under) if isinstance(under, float) else F.when(under != 0, under))

    def root(self, value: Column) -> Column:
        return F.sqrt(F.greatest(value, F.lit(0.0)))


def spark_windows(tiles: DataFrame, plan: Plan, first_day: int, last_day: int) -> DataFrame:
    """Compute every window of every entity and day.

    Args:
        tiles: From `daily_tiles`.
        plan: The columns wanted.
        first_day: First day, counted from 1970-01-01.
        last_day: Last day.

    Returns:
        Keys, `_at` INT (the day), and the plan's columns in their order and types.
    """
    rows = _spread(tiles, plan, first_day, last_day)
    parts = {name: column for window in plan.windows for name, column in _window_parts(plan, window)}
    windows = rows.select(*_keys(plan), AT, *[column.alias(name) for name, column in parts.items()])
    return windows.where(F.col(AT) >= first_day).select(*_keys(plan), AT, *[_column(output) for output in plan.outputs])


def _spread(tiles: DataFrame, plan: Plan, first_day: int, last_day: int) -> DataFrame:
    """Repeat each tile on the days until the next one, on which it adds nothing of its own."""
    following = F.lead(DAY).over(Window.partitionBy(*_keys(plan)).orderBy(DAY))
    begin = F.greatest(F.col(DAY) + 1, F.lit(first_day))
    until = F.least(F.coalesce(following - 1, F.lit(last_day)), F.col(DAY) + plan.longest, F.lit(last_day))
    later = F.when(F.col("_begin") <= F.col("_until"), F.sequence("_begin", "_until")).otherwise(F.expr("array()"))
    days = tiles.withColumns({"_begin": begin, "_until": until})
    repeated = days.withColumn(AT, F.explode(F.concat(F.array(DAY), later.cast("array<int>"))))
    own = [part_name(n, part) for n, measure in enumerate(plan.measures) for part in kept_parts(measure)]
    once = [F.when(F.col(AT) == F.col(DAY), F.col(name)).alias(name) for name in own]
    return repeated.select(*_keys(plan), AT, *once)


def _window_parts(plan: Plan, window: int) -> Iterator[tuple[str, Column]]:
    frame = Window.partitionBy(*_keys(plan)).orderBy(AT).rangeBetween(-(window - 1), 0)
    for number, measure in enumerate(plan.measures):
        for part in measure.parts:
            yield _part(number, part, window), _over(frame, number, part)


def _over(frame: WindowSpec, number: int, part: Part) -> Column:
    held = F.when(F.col(part_name(number, "n")) > 0, F.col(AT))
    if part == "days":
        return F.count(held).over(frame)
    if part == "last":
        return F.col(AT) - F.max(held).over(frame)
    own = F.col(part_name(number, part))
    if part == "set":
        return F.size(F.array_distinct(F.flatten(F.collect_list(own).over(frame))))
    if part in ("low", "high"):
        return (F.min(own) if part == "low" else F.max(own)).over(frame)
    return F.coalesce(F.sum(own).over(frame), F.lit(0))


def _column(output: Output) -> Column:
    kind = KINDS[output.aggregation]
    window = {part: F.col(_part(output.measure, part, output.window)) for part in kind.parts}
    everything = {part: F.col(_part(output.everything, part, output.window)) for part in kind.parts}
    value, missing = kind.formula(window, everything, output.units, _Columns())
    filled = F.when(missing, F.lit(output.empty)).otherwise(value)
    return filled.cast(output.data_type).alias(output.column)


def _part(measure: int, part: Part, window: int) -> str:
    return f"{part_name(measure, part)}_{window}"


def _keys(plan: Plan) -> list[str]:
    return [quoted_name(key) for key in plan.keys]
