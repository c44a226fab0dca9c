"""The pipeline as a picture: boxes in columns by layer, lines for what reads what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from html import escape

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 178, 40, 90, 16, 8
#: Status of a table that a run was not asked for.
ABSENT = "absent"
MARKS = {"succeeded": "✓", "skipped": "\u2013", "failed": "✕", "blocked": "‖", "breached": "!", ABSENT: ""}


@dataclass(frozen=True)
class GraphNode:
    """A table of the picture."""

    name: str
    layer: str
    description: str = ""


@dataclass(frozen=True)
class Graph:
    """Tables and the pairs (table read, table written)."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[tuple[str, str], ...]


def draw(graph: Graph, statuses: Mapping[str, str]) -> str:
    """Return the graph as inline SVG, from left to right; the status is a mark and a word, not colour alone.

    Args:
        graph: What to draw.
        statuses: Status by table name; a table without one was not part of the run.
    """
    columns = _columns(graph)
    places = _places(columns)
    width = max((x for x, _ in places.values()), default=0) + BOX_WIDTH + MARGIN
    height = max((y for _, y in places.values()), default=0) + BOX_HEIGHT + MARGIN
    lines = [_line(places[source], places[target]) for source, target in graph.edges if {source, target} <= set(places)]
    boxes = [_box(node, places[node.name], statuses.get(node.name, ABSENT)) for node in graph.nodes]
    label = escape(f"{len(graph.nodes)} tables and what they read", quote=True)
    return (
        f'<svg class="graph" role="img" aria-label="{label}" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">{"".join(lines)}{"".join(boxes)}</svg>'
    )


def _columns(graph: Graph) -> list[list[GraphNode]]:
    """Put each table one column after the last it reads."""
    reads: dict[str, list[str]] = {node.name: [] for node in graph.nodes}
    for source, target in graph.edges:
        if source in reads and target in reads:
            reads[target].append(source)
    depth: dict[str, int] = {}
    for name in TopologicalSorter(reads).static_order():
        depth[name] = 1 + max((depth[source] for source in reads[name]), default=-1)
    columns: list[list[GraphNode]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node in graph.nodes:
        columns[depth[node.name]].append(node)
    return columns


def _places(columns: Sequence[Sequence[GraphNode]]) -> dict[str, tuple[int, int]]:
    tallest = max((len(column) for column in columns), default=0)
    places = {}
    for x, column in enumerate(columns):
        offset = (tallest - len(column)) * (BOX_HEIGHT + GAP_Y) // 2
        for y, node in enumerate(column):
            places[node.name] = (MARGIN + x * (BOX_WIDTH + GAP_X), MARGIN + offset + y * (BOX_HEIGHT + GAP_Y))
    return places


def _line(source: tuple[int, int], target: tuple[int, int]) -> str:
    x1, y1 = source[0] + BOX_WIDTH, source[1] + BOX_HEIGHT // 2
    x2, y2 = target[0], target[1] + BOX_HEIGHT // 2
    bend = max(30, (x2 - x1) // 2)
    return f'<path class="edge" d="M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"/>'


def _box(node: GraphNode, place: tuple[int, int], status: str) -> str:
    x, y = place
    name = node.name.partition(".")[2] or node.name
    shown = name if len(name) <= 21 else f"{name[:20]}…"
    word = "not part of this run" if status == ABSENT else status
    title = escape(f"{node.name}: {word}. {node.description}".strip())
    return (
        f'<g class="node {escape(node.layer, quote=True)} {escape(status, quote=True)}"><title>{title}</title>'
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
        f'<text x="{x + 12}" y="{y + 17}" class="layer">{escape(node.layer)}</text>'
        f'<text x="{x + 12}" y="{y + 32}" class="name">{escape(shown)}</text>'
        f'<text x="{x + BOX_WIDTH - 12}" y="{y + 25}" class="mark" text-anchor="end">'
        f"{MARKS.get(status, '?')}</text></g>"
    )
