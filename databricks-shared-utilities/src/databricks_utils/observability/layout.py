"""Where the boxes and lines of the pipeline's picture go, so that no line runs behind a box it does not belong to."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 164, 42, 48, 14, 6
#: Height of the place a line takes in a column it only passes.
LANE = 10
SWEEPS = 8

#: A table, or the place of a line in a column between its ends: (source, target, column).
Stop = str | tuple[str, str, int]
Point = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """Upper left corners of boxes, the points of each line from left to right, and the size of the whole."""

    boxes: Mapping[str, Point]
    lines: Mapping[tuple[str, str], tuple[Point, ...]]
    width: int
    height: int


def arranged(tables: Sequence[str], edges: Sequence[tuple[str, str]]) -> Layout:
    """Put each table one column after the last it reads, and beside what it is connected with.

    Args:
        tables: Names, in the order that breaks ties.
        edges: Pairs (table read, table written); pairs with unknown tables are left out.
    """
    known = set(tables)
    kept = list(dict.fromkeys(edge for edge in edges if set(edge) <= known))
    depth = _depths(tables, kept)
    paths = {edge: _path(edge, depth) for edge in kept}
    columns = _columns(tables, depth, paths)
    _untangle(columns, paths)
    tops, height = _tops(columns)
    boxes = {
        stop: (_left(x), tops[stop]) for x, column in enumerate(columns) for stop in column if isinstance(stop, str)
    }
    lines = {edge: _points(path, depth, tops) for edge, path in paths.items()}
    width = _left(len(columns)) - GAP_X + MARGIN if columns else 2 * MARGIN
    return Layout(boxes, lines, width, height)


def _depths(tables: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    reads: dict[str, list[str]] = {table: [] for table in tables}
    for source, target in edges:
        reads[target].append(source)
    depth: dict[str, int] = {}
    for table in TopologicalSorter(reads).static_order():
        depth[table] = 1 + max((depth[source] for source in reads[table]), default=-1)
    return depth


def _path(edge: tuple[str, str], depth: Mapping[str, int]) -> list[Stop]:
    source, target = edge
    return [source, *((source, target, column) for column in range(depth[source] + 1, depth[target])), target]


def _columns(
    tables: Sequence[str], depth: Mapping[str, int], paths: Mapping[tuple[str, str], list[Stop]]
) -> list[list[Stop]]:
    columns: list[list[Stop]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for table in tables:
        columns[depth[table]].append(table)
    for path in paths.values():
        for stop in path[1:-1]:
            columns[int(stop[2])].append(stop)
    return columns


def _untangle(columns: list[list[Stop]], paths: Mapping[tuple[str, str], list[Stop]]) -> None:
    """Order each column by the middle of its neighbours, to the right and back, which undoes most crossings."""
    before: dict[Stop, list[Stop]] = {}
    after: dict[Stop, list[Stop]] = {}
    for path in paths.values():
        for left, right in itertools.pairwise(path):
            before.setdefault(right, []).append(left)
            after.setdefault(left, []).append(right)
    best, fewest = [list(column) for column in columns], _crossings(columns, after)
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        neighbours = before if forth else after
        for column in columns if forth else reversed(columns):
            _sort(column, neighbours, _ranks(columns))
        if (found := _crossings(columns, after)) < fewest:
            best, fewest = [list(column) for column in columns], found
    columns[:] = best


def _sort(column: list[Stop], neighbours: Mapping[Stop, list[Stop]], ranks: Mapping[Stop, float]) -> None:
    def middle(stop: Stop) -> float:
        near = [ranks[other] for other in neighbours.get(stop, ())]
        return sum(near) / len(near) if near else ranks[stop]

    column.sort(key=middle)


def _ranks(columns: Sequence[Sequence[Stop]]) -> dict[Stop, float]:
    """Return how far down each stop is, as a share of its column."""
    return {stop: (n + 0.5) / len(column) for column in columns for n, stop in enumerate(column)}


def _crossings(columns: Sequence[Sequence[Stop]], after: Mapping[Stop, list[Stop]]) -> int:
    ranks = _ranks(columns)
    count = 0
    for column in columns:
        ends = [ranks[right] for left in column for right in sorted(after.get(left, ()), key=lambda stop: ranks[stop])]
        count += sum(lower < upper for n, upper in enumerate(ends) for lower in ends[n + 1 :])
    return count


def _tops(columns: Sequence[Sequence[Stop]]) -> tuple[dict[Stop, int], int]:
    heights = [sum(_height(stop) + GAP_Y for stop in column) - GAP_Y for column in columns]
    tallest = max(heights, default=0)
    tops: dict[Stop, int] = {}
    for column, height in zip(columns, heights, strict=True):
        y = MARGIN + (tallest - height) // 2
        for stop in column:
            tops[stop] = y
            y += _height(stop) + GAP_Y
    return tops, tallest + 2 * MARGIN


def _height(stop: Stop) -> int:
    return BOX_HEIGHT if isinstance(stop, str) else LANE


def _left(column: int) -> int:
    return MARGIN + column * (BOX_WIDTH + GAP_X)


def _points(path: Sequence[Stop], depth: Mapping[str, int], tops: Mapping[Stop, int]) -> tuple[Point, ...]:
    """Return where a line leaves its first box, enters and leaves each lane, and enters its last box."""
    points: list[Point] = []
    for stop in path:
        left = _left(depth[stop] if isinstance(stop, str) else stop[2])
        y = tops[stop] + _height(stop) // 2
        points += [(left, y), (left + BOX_WIDTH, y)]
    return tuple(points[1:-1])
