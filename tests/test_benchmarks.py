"""The measuring of benchmarks: what a command took, tables that replace their own, data whose keys stay unique."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from complete_journey import read_complete_journey

from benchmarks.landing import NEXT_COPY, copied
from benchmarks.measure import CommandFailed, Figures, measured
from benchmarks.page import HEADERS, PAGE, write_table

# Holds memory and computes until somebody has seen enough of it, or for some ten seconds.
CHILD = """
import os
held = b"x" * 80_000_000
for n in range(400):
    sum(range(1_000_000))
    if os.path.exists("enough"):
        break
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"


def test_time_and_memory_of_a_child_process_count(tmp_path: Path) -> None:
    def look(figures: Figures) -> None:
        if figures.peak > 80 and figures.cpu > 0.3:
            (tmp_path / "enough").touch()

    taken = measured([sys.executable, "-c", PARENT, CHILD], log=tmp_path / "log", cwd=tmp_path, on_sample=look)

    assert taken.peak > 80
    assert 0.3 < taken.cpu <= taken.wall * 2


def test_a_command_that_fails_is_named_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"exit code 3\nno such table"):
        measured(
            [sys.executable, "-c", "print('no such table'); raise SystemExit(3)"], log=tmp_path / "log", cwd=tmp_path
        )


def test_a_table_replaces_its_own_and_leaves_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- layers -->\nold\n<!-- /layers -->\nbetween\n<!-- full -->\nkept\n<!-- /full -->\n")

    write_table("layers", [("bronze", "1.0 s")], page)

    text = page.read_text()
    assert "| bronze | 1.0 s |" in text
    assert "old" not in text
    assert text.startswith("before\n<!-- layers -->\n")
    assert text.endswith("<!-- /layers -->\nbetween\n<!-- full -->\nkept\n<!-- /full -->\n")


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_the_page_has_a_place_for_every_table(name: str) -> None:
    assert f"<!-- {name} -->\n" in PAGE.read_text(encoding="utf-8")


def test_copies_of_the_year_are_as_many_lines_as_wanted_with_keys_of_their_own() -> None:
    journey = read_complete_journey()
    wanted = len(journey.transactions) + 100_000

    lines = copied(journey, wanted)

    assert len(lines) == wanted
    assert not lines.duplicated(["basket_id", "product_id"]).any()
    assert set((lines["basket_id"] // NEXT_COPY).unique()) == {0, 1}
    assert lines["transaction_timestamp"].is_monotonic_increasing
