"""Daily tiles in arrays: the same as `daily_tiles`, from rows that are sorted already.

Spark would shuffle the events to add them up by day, and the days again to put those of an entity together. Here
the events travel once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from databricks_utils.errors import InvalidInput
from databricks_utils.features.plan import Measure, Plan
from databricks_utils.features.tiles import (
    DAY,
    LARGEST_SQUARED,
    LARGEST_TOTAL,
    kept_parts,
    part_name,
    too_great,
    value_name,
)

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = NDArray[np.int64]
Marks = NDArray[np.bool_]
#: Below it a sum in floating point proves that the sum of whole numbers did not wrap around.
_SAFE = 2.0**62
_LIMITS = np.iinfo(np.int64)


def tiles_of(events: pa.Table, plan: Plan, starts: Numbers) -> pa.Table:
    """Add up events by entity and day.

    Args:
        events: The keys, `_day` INT, and `value_name` of each measure; sorted by keys and day, every day whole.
        plan: What is added up.
        starts: First row of each entity's day, ascending.

    Returns:
        As of `daily_tiles`, sorted; but an ARRAY of different values may hold one several times.

    Raises:
        InvalidInput: A day's total is too great to be added up exactly.
    """
    import pyarrow as pa

    columns: dict[str, Any] = {name: events.column(name).take(pa.array(starts)) for name in (*plan.keys, DAY)}
    for number, measure in enumerate(plan.measures):
        held = _Held(events.column(value_name(number)), starts, plan, measure)
        for part in kept_parts(measure):
            columns[part_name(number, part)] = getattr(held, part)()
    return pa.table(columns)


class _Held:
    """Values of a measure, and what they add up to on each day.

    Args:
        values: One for each event, NULL where it adds nothing.
        starts: First row of each entity's day.
        plan: For messages.
        measure: What the values are.
    """

    def __init__(self, values: pa.ChunkedArray, starts: Numbers, plan: Plan, measure: Measure) -> None:
        self._column = values.combine_chunks()
        self._starts = starts
        self._plan = plan
        self._measure = measure
        self._count: Numbers = np.diff(starts, append=len(self._column))
        if self._column.null_count:
            known: Marks = self._column.is_valid().to_numpy(zero_copy_only=False)
            self._count = np.add.reduceat(known, starts, dtype=np.int64)

    def n(self) -> pa.Array:
        """Return the number of values."""
        import pyarrow as pa

        return pa.array(self._count)

    def s(self) -> pa.Array:
        """Return the sums."""
        import pyarrow as pa

        values = self._filled(0)
        totals: Numbers = np.add.reduceat(values, self._starts)
        if max(int(values.max()), -int(values.min())) * len(values) >= _SAFE:
            sizes = np.add.reduceat(np.abs(values.astype(np.float64)), self._starts)
            for tile in np.flatnonzero(sizes >= _SAFE):
                totals[tile] = self._exact(int(tile), values)
        self._require(np.abs(totals) <= LARGEST_TOTAL)
        return pa.array(totals)

    def q(self) -> pa.Array:
        """Return the sums of squares."""
        import pyarrow as pa

        values = self._filled(0)
        self._require((values <= LARGEST_SQUARED) & (values >= -LARGEST_SQUARED))
        # A square is at most 2^52 now, so only a day of a thousand events and more could wrap around.
        squares = values * values
        if int(squares.max()) * len(squares) >= _SAFE:
            self._require(np.add.reduceat(squares.astype(np.float64), self._starts) < _SAFE)
        totals = np.add.reduceat(squares, self._starts)
        self._require(totals <= LARGEST_TOTAL)
        return pa.array(totals)

    def low(self) -> pa.Array:
        """Return the least values."""
        return self._extreme(np.minimum, int(_LIMITS.max))

    def high(self) -> pa.Array:
        """Return the greatest values."""
        return self._extreme(np.maximum, int(_LIMITS.min))

    def set(self) -> pa.Array:
        """Return the values themselves."""
        import pyarrow as pa

        offsets = np.concatenate([[0], np.cumsum(self._count)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), self._column.drop_null())

    def _extreme(self, choose: np.ufunc, none: int) -> pa.Array:
        import pyarrow as pa

        return pa.array(choose.reduceat(self._filled(none), self._starts), mask=self._count == 0)

    def _filled(self, missing: int) -> Numbers:
        values: Numbers = self._column.cast("int64").fill_null(missing).to_numpy(zero_copy_only=False)
        return values

    def _exact(self, tile: int, values: Numbers) -> int:
        """Add up in Python, whose whole numbers never wrap around."""
        end = self._starts[tile + 1] if tile + 1 < len(self._starts) else len(values)
        total = sum(int(value) for value in values[self._starts[tile] : end])
        self._require(np.array(abs(total) <= LARGEST_TOTAL))
        return total

    def _require(self, fits: Marks) -> None:
        if not fits.all():
            raise InvalidInput(too_great(self._plan, self._measure), where=f"computing {self._plan.name}")
