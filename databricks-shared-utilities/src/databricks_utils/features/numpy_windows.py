"""From events to daily tiles and windows in arrays: one pass over each partition's rows, batch by batch.

numpy and pyarrow come with every Databricks runtime and with this library's extra `local`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from databricks_utils.data_quality.sql_text import quoted_name
from databricks_utils.features.aggregations import KINDS, Part
from databricks_utils.features.numpy_tiles import tiles_of
from databricks_utils.features.plan import Output, Plan
from databricks_utils.features.ranges import Before, DifferentValues, Extremes
from databricks_utils.features.spark_windows import AT
from databricks_utils.features.tiles import DAY, daily_values, part_name, relevant

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

Numbers = NDArray[np.int64]
#: Events added up at once, unless an entity has more on one day.
EVENTS = 50_000
#: Tiles computed at once, unless one entity has more: some tens of megabytes for a hundred features.
TILES = 20_000
ROWS = 10_000


class _Arrays:
    """The formulas' operations on arrays."""

    def double(self, value: Numbers) -> NDArray[np.float64]:
        return value.astype(np.float64)

    def divide(self, over: NDArray[np.float64], under: Any) -> NDArray[np.float64]:
        with np.errstate(divide="ignore", invalid="ignore"):
            quotient: NDArray[np.float64] = np.divide(over, under)
            return quotient

    def root(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        # What is not a number comes from a division by 0, whose result is not looked at.
        with np.errstate(invalid="ignore"):
            return np.sqrt(np.maximum(value, 0.0))


def numpy_windows(events: DataFrame, plan: Plan, first_day: int, last_day: int) -> DataFrame:
    """Compute every window of every entity and day.

    Args:
        events: Rows of the source.
        plan: The columns wanted.
        first_day: First day, counted from 1970-01-01.
        last_day: Last day.

    Returns:
        As of `spark_windows`.
    """
    from pyspark.sql.types import IntegerType, StructField, StructType

    from databricks_utils.contracts import data_type

    # The source's columns are shuffled, not the values made of them, of which there are more.
    together = relevant(events, plan, first_day, last_day).repartition(*[quoted_name(key) for key in plan.keys])
    values = daily_values(together, plan).sortWithinPartitions(*[quoted_name(name) for name in (*plan.keys, DAY)])
    keys = [values.schema[key] for key in plan.keys]
    outputs = [StructField(output.column, data_type(output.data_type)) for output in plan.outputs]
    schema = StructType([*keys, StructField(AT, IntegerType()), *outputs])

    def computed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for tiles in whole(_tiled(batches, plan), plan.keys, TILES):
            yield from windows_of(tiles, plan, first_day, last_day).to_batches(max_chunksize=ROWS)

    return values.mapInArrow(computed, schema)


def whole(batches: Iterable[pa.RecordBatch], keys: tuple[str, ...], least: int) -> Iterator[pa.Table]:
    """Join sorted batches to tables that no group of equal keys is cut by.

    Args:
        batches: Sorted by the keys.
        keys: What tells groups apart.
        least: Rows of a table, but for the last one.
    """
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(item.num_rows for item in waiting) < least:
            continue
        table = pa.Table.from_batches(waiting)
        cut = int(np.flatnonzero(_starts(table, keys))[-1])
        if cut:
            yield table.slice(0, cut)
        waiting = table.slice(cut).combine_chunks().to_batches()
    if any(item.num_rows for item in waiting):
        yield pa.Table.from_batches(waiting)


def _tiled(batches: Iterable[pa.RecordBatch], plan: Plan) -> Iterator[pa.RecordBatch]:
    by_day = (*plan.keys, DAY)
    for events in whole(batches, by_day, EVENTS):
        yield from tiles_of(events, plan, np.flatnonzero(_starts(events, by_day))).combine_chunks().to_batches()


def windows_of(tiles: pa.Table, plan: Plan, first_day: int, last_day: int) -> pa.Table:
    """Compute the windows of whole entities.

    Args:
        tiles: Rows of `daily_tiles`, sorted by keys and day.
        plan: The columns wanted.
        first_day: First day, counted from 1970-01-01.
        last_day: Last day.

    Returns:
        As of `spark_windows`.
    """
    import pyarrow as pa

    rows = _rows(tiles, plan, first_day, last_day)
    columns: dict[str, Any] = {key: tiles.column(key).take(rows.tile) for key in plan.keys}
    columns[AT] = pa.array(rows.at.astype(np.int32))
    computed: dict[str, Any] = {}
    for window in plan.windows:
        begin = np.searchsorted(rows.tile_place, rows.place - (window - 1), side="left")
        wanted = [output for output in plan.outputs if output.window == window]
        needed = {number for output in wanted for number in (output.measure, output.everything)}
        parts = {number: rows.parts(number, window, begin) for number in sorted(needed)}
        for output in wanted:
            computed[output.column] = _array(output, parts)
    columns.update({output.column: computed[output.column] for output in plan.outputs})
    return pa.table(columns)


@dataclass(frozen=True)
class _Rows:
    """The rows to compute, beside the tiles they come from.

    A place numbers entity and day, so that the days of one entity follow those of the one before.

    Args:
        tiles: The tiles.
        plan: The columns wanted.
        day: Day of each tile.
        entity: Number of each tile's entity.
        tile_place: Place of each tile, ascending.
        span: Places of one entity.
        tile: For each row the newest tile of its entity.
        at: Day of each row.
        place: Place of each row, ascending.
        before: How many rows are before a place.
        prepared: What answers for parts of measures, by both.
    """

    tiles: pa.Table
    plan: Plan
    day: Numbers
    entity: Numbers
    tile_place: Numbers
    span: int
    tile: Numbers
    at: Numbers
    place: Numbers
    before: Before
    prepared: dict[tuple[int, Part], Any] = field(default_factory=dict)

    def parts(self, number: int, window: int, begin: Numbers) -> Mapping[Part, Any]:
        """Return the parts of a measure for the tiles from `begin` to each row's own."""
        end, measure = self.tile + 1, self.plan.measures[number]
        found: dict[Part, Any] = {}
        for part in measure.parts:
            answers = self._answers(number, part)
            if part == "set":
                found[part] = answers.of(window)
            elif part in ("low", "high"):
                found[part] = answers.of(begin, end)
            elif part == "last":
                found[part] = answers
            else:
                # A sum that wraps around comes back: only the difference has to fit.
                found[part] = answers[end] - answers[begin]
        return found

    def _answers(self, number: int, part: Part) -> Any:
        """Return what answers for a part of a measure; it is prepared once for all windows."""
        if (number, part) not in self.prepared:
            self.prepared[number, part] = self._prepare(number, part)
        return self.prepared[number, part]

    def _prepare(self, number: int, part: Part) -> Any:
        if part == "set":
            held = self.tiles.column(part_name(number, part)).combine_chunks()
            day = self.tile_place - self.entity * self.span
            return DifferentValues(held, self.entity, day, self.span, self.before)
        if part in ("low", "high"):
            least = self._column(number, part, missing=_NONE[part])
            return Extremes(least, np.minimum if part == "low" else np.maximum, _NONE[part])
        if part == "last":
            held = np.where(self._column(number, "n") > 0, np.arange(len(self.day)), -1)
            newest = np.maximum.accumulate(held)[self.tile]
            return self.at - self.day[newest]
        held = self._column(number, "n" if part == "days" else part)
        return np.concatenate([[0], np.cumsum(held > 0 if part == "days" else held)])

    def _column(self, number: int, part: Part, missing: int = 0) -> Numbers:
        column = self.tiles.column(part_name(number, part))
        values: Numbers = (column.fill_null(missing) if column.null_count else column).to_numpy()
        return values


_LIMITS = np.iinfo(np.int64)
_NONE: Mapping[Part, int] = {"low": int(_LIMITS.max), "high": int(_LIMITS.min)}


def _rows(tiles: pa.Table, plan: Plan, first_day: int, last_day: int) -> _Rows:
    """Repeat each tile on the days until the next one."""
    day = tiles.column(DAY).to_numpy().astype(np.int64)
    starts = _starts(tiles, plan.keys)
    entity = np.cumsum(starts) - 1
    following = np.append(np.where(starts[1:], last_day, day[1:] - 1), last_day)
    until = np.minimum(np.minimum(following, day + plan.longest), last_day)
    begin = np.maximum(day, first_day)
    repeats = np.maximum(until - begin + 1, 0)
    tile = np.repeat(np.arange(len(day)), repeats)
    at = begin[tile] + np.arange(len(tile)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    earliest = min(int(day.min()), first_day) - plan.longest
    span = max(int(day.max()), last_day) - earliest + plan.longest + 2
    place = entity[tile] * span + at - earliest
    return _Rows(
        tiles=tiles,
        plan=plan,
        day=day,
        entity=entity,
        tile_place=entity * span + day - earliest,
        span=span,
        tile=tile,
        at=at,
        place=place,
        before=Before(place, span * (int(entity[-1]) + 1)),
    )


def _starts(table: pa.Table, keys: tuple[str, ...]) -> NDArray[np.bool_]:
    """Say of each row whether other keys begin with it; they are compared one by one, never joined."""
    import pyarrow.compute as pc

    starts = np.zeros(table.num_rows, dtype=np.bool_)
    starts[0] = True
    for key in keys:
        column = table.column(key).combine_chunks()
        differs = pc.not_equal(column.slice(1), column.slice(0, len(column) - 1))
        starts[1:] |= differs.to_numpy(zero_copy_only=False)
    return starts


def _array(output: Output, parts: Mapping[int, Mapping[Part, Any]]) -> pa.Array:
    import pyarrow as pa

    formula = KINDS[output.aggregation].formula
    value, missing = formula(parts[output.measure], parts[output.everything], output.units, _Arrays())
    filled = value if output.empty is None else np.where(missing, output.empty, value)
    kind = pa.int64() if output.data_type == "BIGINT" else pa.float64()
    return pa.array(filled, type=kind, mask=missing if output.empty is None else None)
