"""Questions about ranges of sorted rows, answered for all ranges at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = NDArray[np.int64]


class Extremes:
    """Least or greatest values of ranges, from those of stretches of 1, 2, 4, 8 … rows.

    Source: Bender and Farach-Colton, The LCA Problem Revisited, 2000 (the sparse table).

    Args:
        values: One for each row.
        choose: `numpy.minimum` or `numpy.maximum`.
        none: The answer for an empty range.
    """

    def __init__(self, values: Numbers, choose: Callable[[Numbers, Numbers], Numbers], none: int) -> None:
        self._choose = choose
        self._none = none
        self._stretches = [values]

    def of(self, begin: Numbers, end: Numbers) -> Numbers:
        """Return the extreme of the rows `begin` <= row < `end` of each range."""
        lengths = end - begin
        answers = np.full(len(lengths), self._none, dtype=np.int64)
        level, length = 0, 1
        while length <= int(lengths.max(initial=0)):
            chosen = (lengths >= length) & (lengths < 2 * length)
            stretch = self._stretch(level)
            answers[chosen] = self._choose(stretch[begin[chosen]], stretch[end[chosen] - length])
            level, length = level + 1, 2 * length
        return answers

    def _stretch(self, level: int) -> Numbers:
        """Return the extreme of the 2^level rows from each row on."""
        while len(self._stretches) <= level:
            half = 1 << (len(self._stretches) - 1)
            last = self._stretches[-1]
            self._stretches.append(self._choose(last[:-half], last[half:]))
        return self._stretches[level]


def different_values(
    sets: pa.ListArray, entity: Numbers, day: Numbers, span: int, places: Numbers, window: int
) -> Numbers:
    """Count the different values of an entity in the window that ends at each place.

    A value seen on one day and next on another is in every window that ends from the one day until the other, as long
    as the window reaches back. So each sighting opens a stretch of places and closes it, and the number at a place is
    that of the stretches opened less that of those closed.

    Args:
        sets: Different values of each tile.
        entity: Number of each tile's entity, ascending.
        day: Day of each tile, from 0, below `span`.
        span: Places of one entity; a place is entity * span + day.
        places: Where windows end.
        window: Length in days.
    """
    import pyarrow.compute as pc

    tile = np.repeat(np.arange(len(day)), pc.list_value_length(sets).to_numpy(zero_copy_only=False).astype(np.int64))
    value = pc.dictionary_encode(sets.flatten()).indices.to_numpy(zero_copy_only=False).astype(np.int64)
    order = np.lexsort((day[tile], value, entity[tile]))
    who, what, when = entity[tile][order], value[order], day[tile][order]
    again = np.full(len(when), span - 1, dtype=np.int64)
    same = (who[1:] == who[:-1]) & (what[1:] == what[:-1])
    again[:-1][same] = when[1:][same]
    opened = np.sort(who * span + when)
    closed = np.sort(who * span + np.minimum(again, when + window))
    number: Numbers = np.searchsorted(opened, places, side="right") - np.searchsorted(closed, places, side="right")
    return number
