"""Charts as SVG text: they open in any browser, need no library and say their numbers to a screen reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, BAR, LABEL = 640, 20, 210
SIDE, MARGIN = 300, 40


def bars(title: str, values: Mapping[str, float], *, limit: float | None = None) -> str:
    """Return horizontal bars, one for each name.

    Args:
        title: Read out by screen readers.
        values: Length by name.
        limit: Marked by a line; bars beyond it are of another colour.
    """
    top = max([*map(abs, values.values()), limit or 0.0]) or 1.0
    room, height = WIDTH - LABEL - 70, BAR * len(values) + 8
    parts = []
    for number, (name, value) in enumerate(values.items()):
        y, length = number * BAR + 4, max(1.0, abs(value) / top * room)
        kind = "over" if limit is not None and abs(value) >= limit else "bar"
        parts.append(f'<text x="{LABEL - 8}" y="{y + 13}" class="name">{escape(name)}</text>')
        parts.append(f'<rect x="{LABEL}" y="{y + 2}" width="{length:.1f}" height="{BAR - 5}" class="{kind}"/>')
        parts.append(f'<text x="{LABEL + length + 6:.1f}" y="{y + 13}">{value:.3g}</text>')
    if limit is not None:
        x = LABEL + limit / top * room
        parts.append(f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height}" class="limit"/>')
    return _svg(title, WIDTH, height, parts)


def calibration(title: str, points: Sequence[Sequence[float]]) -> str:
    """Return predicted means against observed ones; on the diagonal, a model says what happens.

    Args:
        title: Read out by screen readers.
        points: Predicted and observed mean of each part.
    """
    top = max([value for point in points for value in point] + [1e-9])
    room = SIDE - 2 * MARGIN
    places = [(MARGIN + x / top * room, SIDE - MARGIN - y / top * room) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    low, high = MARGIN, SIDE - MARGIN
    parts = [
        f'<line x1="{low}" y1="{high}" x2="{high}" y2="{low}" class="limit"/>',
        f'<line x1="{low}" y1="{high}" x2="{high}" y2="{high}" class="axis"/>',
        f'<line x1="{low}" y1="{high}" x2="{low}" y2="{low}" class="axis"/>',
        f'<polyline points="{path}" class="line"/>',
        *[f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" class="bar"/>' for x, y in places],
        f'<text x="{high}" y="{high + 16}" class="name">{top:.3g}</text>',
        f'<text x="{low - 6}" y="{low + 4}" class="name">{top:.3g}</text>',
        f'<text x="{SIDE / 2}" y="{SIDE - 6}" class="middle">predicted</text>',
        f'<text x="14" y="{SIDE / 2}" class="middle" transform="rotate(-90 14 {SIDE / 2})">observed</text>',
    ]
    return _svg(title, SIDE, SIDE, parts)


def histogram(title: str, edges: Sequence[float], now: Sequence[float], before: Sequence[float]) -> str:
    """Return shares of two sets of values over the same bins, side by side.

    Args:
        title: Read out by screen readers.
        edges: Ends of the bins, one more than bins.
        now: Shares of the bins today.
        before: Shares of the bins of the reference.
    """
    room, height = WIDTH - 2 * MARGIN, 200
    top, step = max([*now, *before, 1e-9]), room / max(1, len(now))
    parts = []
    for number, pair in enumerate(zip(before, now, strict=True)):
        for place, (share, kind) in enumerate(zip(pair, ("before", "bar"), strict=True)):
            tall, x = share / top * (height - 50), MARGIN + number * step + place * step * 0.45
            parts.append(
                f'<rect x="{x:.1f}" y="{height - 30 - tall:.1f}" width="{step * 0.42:.1f}" height="{tall:.1f}" '
                f'class="{kind}"/>'
            )
    for number in range(0, len(edges), max(1, len(edges) // 6)):
        x = MARGIN + number * step
        parts.append(f'<text x="{x:.1f}" y="{height - 12}" class="middle">{edges[number]:.3g}</text>')
    return _svg(title, WIDTH, height, parts)


def _svg(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    inside = "\n".join(parts)
    return (
        f'<svg role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f"<title>{escape(title)}</title>\n{inside}\n</svg>"
    )
