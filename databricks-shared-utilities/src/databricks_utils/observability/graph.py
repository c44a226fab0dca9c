"""The pipeline as a picture: boxes in columns by layer, lines for what reads what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from databricks_utils.observability.layout import BOX_HEIGHT, BOX_WIDTH, Point, arranged

#: Status of a table that a run was not asked for.
ABSENT = "absent"
MARKS = {"succeeded": "✓", "skipped": "\u2013", "failed": "✕", "blocked": "‖", "breached": "!", ABSENT: ""}
PADDING = 12
#: Letters that fit into a box as they are, and those that fit when they stand closer.
LETTERS, MOST_LETTERS = 16, 24


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
    layout = arranged([node.name for node in graph.nodes], graph.edges)
    lines = [_line(points, statuses.get(target, ABSENT)) for (_, target), points in layout.lines.items()]
    boxes = [_box(node, layout.boxes[node.name], statuses.get(node.name, ABSENT)) for node in graph.nodes]
    label = escape(f"{len(graph.nodes)} tables and what they read", quote=True)
    return (
        f'<svg class="graph" role="img" aria-label="{label}" viewBox="0 0 {layout.width} {layout.height}" '
        f'style="max-width:{layout.width}px;min-width:{layout.width * 4 // 5}px">{"".join(lines)}{"".join(boxes)}</svg>'
    )


def _line(points: Sequence[Point], status: str) -> str:
    (x, y), *others = points
    parts = [f"M{x} {y}"]
    for number, (to_x, to_y) in enumerate(others):
        middle = (x + to_x) // 2
        # Between columns the line bends; through a column it runs straight.
        straight = number % 2 == 1
        parts.append(f"H{to_x}" if straight else f"C{middle} {y} {middle} {to_y} {to_x} {to_y}")
        x, y = to_x, to_y
    return f'<path class="edge {escape(status, quote=True)}" d="{" ".join(parts)}"/>'


def _box(node: GraphNode, place: Point, status: str) -> str:
    x, y = place
    name = node.name.partition(".")[2] or node.name
    shown = name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"
    squeezed = (
        f' textLength="{BOX_WIDTH - 2 * PADDING}" lengthAdjust="spacingAndGlyphs"' if len(shown) > LETTERS else ""
    )
    word = "not part of this run" if status == ABSENT else status
    title = escape(f"{node.name}: {word}. {node.description}".strip())
    return (
        f'<g class="node {escape(node.layer, quote=True)} {escape(status, quote=True)}"><title>{title}</title>'
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
        f'<text x="{x + PADDING}" y="{y + 16}" class="layer">{escape(node.layer)}</text>'
        f'<text x="{x + PADDING}" y="{y + 32}" class="name"{squeezed}>{escape(shown)}</text>'
        f'<text x="{x + BOX_WIDTH - PADDING}" y="{y + 18}" class="mark" text-anchor="end">'
        f"{MARKS.get(status, '?')}</text></g>"
    )
