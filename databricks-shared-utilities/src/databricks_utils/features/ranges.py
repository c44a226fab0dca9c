"""Questions about ranges of sorted rows, answered for all ranges at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = NDArray[np.int64]
#: Length of a table of all places for each place that is in it: some tens of megabytes at most.
_LONGEST = 64


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


class Before:
    """How many of some places are before others.

    Args:
        places: Ascending.
        end: All places asked about are below.
    """

    def __init__(self, places: Numbers, end: int) -> None:
        self._places = places
        self.size = len(places)
        # Looking up beats searching, as long as the table is not much longer than what is in it.
        self._table: Numbers | None = None
        if end <= _LONGEST * len(places):
            self._table = np.concatenate([[0], np.cumsum(np.bincount(places, minlength=end))])

    def of(self, asked: Numbers) -> Numbers:
        """Return for each place asked about how many are before it."""
        if self._table is not None:
            return self._table[asked]
        return np.searchsorted(self._places, asked, side="left")


class DifferentValues:
    """Numbers of different values of an entity in windows.

    A value seen on one day and next on another is in every window that ends from the one day until the other, as long
    as the window reaches back. So each sighting opens a stretch of places and closes it, and the number at a place is
    that of the stretches opened less that of those closed.

    Args:
        sets: Values of each tile; one held twice counts once.
        entity: Number of each tile's entity, ascending.
        day: Day of each tile, from 0, below `span`.
        span: Places of one entity; a place is entity * span + day.
        before: Places where windows end.
    """

    def __init__(self, sets: pa.ListArray, entity: Numbers, day: Numbers, span: int, before: Before) -> None:
        import pyarrow.compute as pc

        lengths = pc.list_value_length(sets).to_numpy(zero_copy_only=False).astype(np.int64)
        tile = np.repeat(np.arange(len(day)), lengths)
        value = pc.dictionary_encode(sets.flatten()).indices.to_numpy(zero_copy_only=False).astype(np.int64)
        # Tiles come by day, so sightings of a value stay in their order.
        identity = entity[tile] * (value.max(initial=0) + 1) + value
        order = np.argsort(identity, kind="stable")
        same = identity[order][1:] == identity[order][:-1]
        self._when = day[tile][order]
        self._first_place = entity[tile][order] * span
        self._again = np.full(len(order), span - 1, dtype=np.int64)
        self._again[:-1][same] = self._when[1:][same]
        self._before = before
        self._opened = self._up_to(self._first_place + self._when)

    def of(self, window: int) -> Numbers:
        """Return the number in the window that ends at each place; its length is in days."""
        return self._opened - self._up_to(self._first_place + np.minimum(self._again, self._when + window))

    def _up_to(self, ends: Numbers) -> Numbers:
        """Return for each place how many of the ends are not after it."""
        size = self._before.size
        found: Numbers = np.cumsum(np.bincount(self._before.of(ends), minlength=size + 1))[:size]
        return found
