"""The tables of docs/benchmarks.md, each between two marks, so that a run replaces its own and leaves the rest."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
_COMPARED = ("", "wall", "ratio", "processor", "ratio", "peak memory")
HEADERS = {
    "full": _COMPARED,
    "layers": ("", "seconds"),
    "increment": ("", "wall", "processor", "peak memory", "run without session", "to a full refresh"),
    "session": _COMPARED,
    "warm": ("", "imports", "session and first query", "first Delta table", "whole process", "its processor"),
    "suite": _COMPARED,
    "stream_rates": ("", "table", "events a second, cold", "warm", "warm to the source's"),
    "stream_steady": (
        "load",
        "produced",
        "event → bronze p50",
        "p95",
        "event → silver p50",
        "p95",
        "backlog of bronze, events",
        "worked off after",
        "batch with state",
        "its state",
        "at the end",
    ),
    "stream_alerts": ("mode", "event → alert p50", "p95", "p99", "alerts"),
    "features": (*_COMPARED, "without session", "ratio"),
    "as_of": _COMPARED,
    "drift": _COMPARED,
    "serving": ("", "p50", "p99"),
    "feast": ("", "library", "Feast"),
    "growth": ("lines", "first run", "for each million", "peak memory", "one percent more", "first run to it"),
}
_VERSIONS = ("pyspark", "delta-spark", "duckdb", "polars")


def write_table(name: str, rows: Sequence[Sequence[str]], page: Path = PAGE) -> None:
    """Replace one experiment's table.

    Raises:
        ValueError: The page has no marks of that name.
    """
    header = HEADERS[name]
    lines = [header, ["---"] * len(header), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    text = page.read_text(encoding="utf-8")
    marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not marked.search(text):
        raise ValueError(f"{page} has no <!-- {name} --> … <!-- /{name} -->")
    replaced = marked.sub(lambda found: f"{found[1]}{table}\n\n{machine()}\n{found[2]}", text)
    page.write_text(replaced, encoding="utf-8")
    print(f"{name}\n{table}")


def machine() -> str:
    """Return one line about the machine and the versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {found}" for name in _VERSIONS if (found := _version(name)))
    return f"{os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}, {packages}."


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
