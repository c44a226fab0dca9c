"""The measuring of benchmarks: what a command took, equal results, tables that replace their own, unique keys."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from complete_journey import read_complete_journey

from benchmarks import experiments
from benchmarks.experiments import Bench, DifferentResults
from benchmarks.gold_hash import COLUMNS, gold_hashes, parquet_files
from benchmarks.landing import NEXT_COPY, Delivery, copied
from benchmarks.measure import OTHERS, CommandFailed, Figures, measured
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
#: Columns of the gold tables that are keys of a competitor's own, and stand in no hash themselves.
OWN_KEYS = {"dim_household": ["household_key"], "fact_sales": ["household_key"]}
#: Stands for a change of a column in one row, where one more would be none.
OTHERWISE = {"product_key": "-1", "transaction_timestamp": "transaction_timestamp + INTERVAL 1 MICROSECOND"}
#: Changes of a table's rows that no hash may miss, from a table and one of its columns.
CHANGES = {
    "a row lost": "SELECT * FROM {table} WHERE row <> 1",
    "a row doubled": "SELECT * FROM {table} UNION ALL SELECT * FROM {table} WHERE row = 1",
    "a row for another": "SELECT * FROM {table} WHERE row <> 1 UNION ALL SELECT * FROM {table} WHERE row = 2",
    "a NULL": "SELECT * REPLACE (CASE WHEN row <> 1 THEN {column} END AS {column}) FROM {table}",
}
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are measured by what /proc says of them")


def columns_of(table: str) -> list[str]:
    """Return the columns that the hash of a table is made from."""
    named = [found[0] for expression in COLUMNS[table] if (found := re.search(r"\w+(?=$|::|\)| <>)", expression))]
    assert len(named) == len(COLUMNS[table])
    return [name for name in named if name != "version_start"]


class Gold:
    """A folder with a small file for each gold table, as a competitor leaves it; a table can be written anew."""

    def __init__(self, folder: Path) -> None:
        self.files = parquet_files(folder)
        self.db = duckdb.connect()
        for table in self.files:
            values = {name: "row" for name in ("row", *OWN_KEYS.get(table, []), *columns_of(table))}
            if table == "fact_sales":
                values["transaction_timestamp"] = "TIMESTAMP '2017-03-26 01:00:00' + to_hours(row)"
            columns = ", ".join(f"{value} AS {name}" for name, value in values.items())
            self.db.execute(f"CREATE TABLE {table} AS SELECT {columns} FROM range(1, 4) AS rows(row)")
            self.write(table)

    def write(self, table: str, rows: str = "SELECT * FROM {table}") -> None:
        """Write the file of a table with what a query gives."""
        self.db.execute(f"COPY ({rows.replace('{table}', table)}) TO '{self.files[table]}' (FORMAT parquet)")

    @property
    def hashes(self) -> dict[str, tuple[int, str]]:
        return gold_hashes(self.files)


@pytest.fixture
def gold(tmp_path: Path) -> Gold:
    return Gold(tmp_path)


@on_linux
def test_time_and_memory_of_a_child_process_count(tmp_path: Path) -> None:
    def look(figures: Figures) -> None:
        if figures.peak > 80 and figures.cpu > 0.3 and figures.threads[OTHERS] > 0.1:
            (tmp_path / "enough").touch()

    taken = measured([sys.executable, "-c", PARENT, CHILD], log=tmp_path / "log", cwd=tmp_path, on_sample=look)

    assert taken.peak > 80
    assert 0.3 < taken.cpu <= taken.wall * 2
    # Python computes in one thread that has no name of Java's or Spark's.
    assert taken.threads.keys() == {OTHERS}
    assert 0.1 < taken.threads[OTHERS] <= taken.cpu + 0.1


@on_linux
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


@pytest.mark.parametrize("table", COLUMNS)
def test_the_hash_of_a_gold_table_does_not_depend_on_the_order_of_its_rows(gold: Gold, table: str) -> None:
    before = gold.hashes

    gold.write(table, "SELECT * FROM {table} ORDER BY row DESC")

    assert gold.hashes == before
    assert before[table][0] == 3


def test_how_a_competitor_numbers_the_versions_of_a_household_is_its_own_business(gold: Gold) -> None:
    before = gold.hashes

    for table in OWN_KEYS:
        gold.write(table, "SELECT * REPLACE (100 - household_key AS household_key) FROM {table}")

    assert gold.hashes == before


@pytest.mark.parametrize("table", COLUMNS)
def test_rows_lost_doubled_or_emptied_change_the_hash_of_their_table(gold: Gold, table: str) -> None:
    before, changed = gold.hashes, {}
    for change, rows in CHANGES.items():
        gold.write(table, rows.replace("{column}", columns_of(table)[0]))
        changed[change] = {name for name, found in gold.hashes.items() if found != before[name]}

    # The rows of the fact are joined to versions of households.
    with_fact = {key: {table, *OWN_KEYS} for key in CHANGES} | {"a NULL": {table}}
    assert changed == (with_fact if table in OWN_KEYS and table != "fact_sales" else {key: {table} for key in CHANGES})


@pytest.mark.parametrize("table", COLUMNS)
def test_every_column_of_a_gold_table_counts(gold: Gold, table: str) -> None:
    before = gold.hashes[table]
    unnoticed = []
    for column in (*OWN_KEYS.get(table, []), *columns_of(table)):
        value = OTHERWISE.get(column, f"{column} + 1")
        changed = f"CASE WHEN row = 2 THEN {value} ELSE {column} END"
        gold.write(table, f"SELECT * REPLACE ({changed} AS {column}) FROM {{table}}")
        if gold.hashes[table] == before:
            unnoticed.append(column)

    # A household's key is what joins the fact to its version; in the dimension alone nobody reads it.
    assert unnoticed == (["household_key"] if table == "dim_household" else [])


def test_text_that_moves_from_one_column_to_the_next_changes_the_hash(gold: Gold) -> None:
    found = []
    for age, income in (("'a|b'", "'c'"), ("'a'", "'b|c'"), ("'~'", "NULL"), ("NULL", "'~'"), ("NULL", "NULL")):
        gold.write("dim_household", f"SELECT * REPLACE ({age} AS age_band, {income} AS income_band) FROM {{table}}")
        found.append(gold.hashes["dim_household"])
    gold.write("dim_household", "SELECT * REPLACE ('~' AS age_band, '~' AS income_band) FROM {table}")
    found.append(gold.hashes["dim_household"])

    assert len(set(found)) == len(found)


class Pretended(Bench):
    """A bench whose competitors do nothing, of which the one whose turn is given leaves another fact."""

    def __init__(self, folder: Path, different: int | None = None) -> None:
        super().__init__(repeats=1)
        self.delivery = Delivery(folder / "first", folder / "second", self.lines)
        self.different = different
        self.asked = 0
        for place in (self.delivery.first, self.delivery.second):
            place.mkdir(parents=True)

    def data(self, lines: int) -> Delivery:
        return self.delivery

    def run(self, module: str, output: Path, *arguments: str) -> Figures:
        return Figures(1.0, 1.0, 1.0)

    def template(self, landing: Path, output: Path, *arguments: str) -> tuple[Figures, dict[str, float]]:
        return Figures(1.0, 1.0, 1.0), {"run": 1.0}

    @contextmanager
    def spark(self, landing: Path, output: Path, *, kept: bool) -> Iterator[None]:
        yield

    def hashes(self, output: Path) -> dict[str, tuple[int, str]]:
        self.asked += 1
        return {"dim_date": (3, "same"), "fact_sales": (3, "other" if self.asked == self.different else "same")}


@pytest.mark.parametrize(
    ("experiment", "different", "said"),
    [
        (experiments.full, 4, "the template's pipeline and polars differ in fact_sales: "),
        (experiments.increment, 2, "1 % new data and full refresh differ in fact_sales: "),
    ],
)
def test_unequal_results_stop_an_experiment_and_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    experiment: Callable[[Bench], list[experiments.Row]],
    different: int,
    said: str,
) -> None:
    monkeypatch.setattr(experiments, "WORK", tmp_path / "work")

    rows = experiment(Pretended(tmp_path / "equal"))
    with pytest.raises(DifferentResults) as caught:
        experiment(Pretended(tmp_path / "unequal", different))

    assert len(rows) > 1
    assert str(caught.value) == f"{said}(3, 'same') and (3, 'other')"
