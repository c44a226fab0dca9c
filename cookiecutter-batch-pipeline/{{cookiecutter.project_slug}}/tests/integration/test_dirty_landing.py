"""Deliveries as bad as they come: `expected.json` says, worked out by hand, what must become of every file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from databricks_utils.data_quality import Rule, row_rules
from databricks_utils.medallion import Lakehouse, quarantine_of, run_pipeline
from databricks_utils.observability import RunResult
from pyspark.sql import DataFrame

from {{ cookiecutter.package_name }}.orchestration.pipeline_definition import PIPELINE

FOLDER = Path(__file__).parents[1] / "fixtures" / "landing_dirty"
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
TABLES = sorted(set(EXPECTED) - {"about"})


@pytest.fixture(scope="module")
def dirty(new_lakehouse: Any) -> Lakehouse:
    """Return a lakehouse over the bad files."""
    lakehouse: Lakehouse = new_lakehouse(FOLDER)
    return lakehouse


@pytest.fixture(scope="module")
def run(dirty: Lakehouse) -> RunResult:
    """Take the bad files through bronze and silver."""
    return run_pipeline(dirty, PIPELINE, tables=[node.table for node in PIPELINE if node.layer != "gold"])


def per_file(rows: DataFrame) -> dict[str, int]:
    counted = rows.selectExpr("element_at(split(_source_file, '/'), -1) AS file").groupBy("file").count()
    return {row.file: row["count"] for row in counted.collect()}


def expected_per_file(table: str, *parts: str) -> dict[str, int]:
    """Return the first count minus the others, of the files where something is left."""
    first, *others = parts
    counts = {
        name: file[first] - sum(file[other] for other in others) for name, file in EXPECTED[table]["files"].items()
    }
    return {name: count for name, count in counts.items() if count}


def causes(entries: Sequence[str], names: Mapping[str, str]) -> set[str]:
    """Return what is wrong with a row in the words of `expected.json`, without what only follows from it."""
    found = {f"cast:{e[5:].partition(':')[0]}" if e.startswith("cast:") else names[e] for e in entries}
    if "malformed" in found:
        return {"malformed"}
    uncast = {cause.removeprefix("cast:") for cause in found if cause.startswith("cast:")}
    return found - {f"not_null:{column}" for column in uncast}


def name_of(rule: Rule) -> str:
    if rule.kind == "malformed":
        return "malformed"
    return f"expression:{rule.name}" if rule.kind in ("expression", "date_order") else f"{rule.kind}:{rule.column}"


@pytest.mark.parametrize("table", TABLES)
def test_the_rows_of_a_table_are_accounted_for(table: str, run: RunResult) -> None:
    total = EXPECTED[table]["total"]
    (result,) = [result for result in run.tables if result.table == f"silver.{table}"]

    assert result.status == "succeeded", result.error
    assert {
        "in": result.rows_read,
        "valid": result.rows_valid + result.rows_duplicate,
        "quarantined": result.rows_quarantined,
        "duplicate": result.rows_duplicate,
        "written": result.rows_written,
    } == total


@pytest.mark.parametrize("table", TABLES)
def test_each_line_of_a_file_is_in_silver_or_in_quarantine_or_repeats_a_key(
    table: str, dirty: Lakehouse, run: RunResult
) -> None:
    assert per_file(dirty.read(f"bronze.{table}")) == expected_per_file(table, "in")
    assert per_file(dirty.read(quarantine_of(f"silver.{table}"))) == expected_per_file(table, "quarantined")
    assert per_file(dirty.read(f"silver.{table}")) == expected_per_file(table, "valid", "duplicate")


@pytest.mark.parametrize("table", TABLES)
def test_the_quarantine_names_what_is_wrong_with_each_line(table: str, dirty: Lakehouse, run: RunResult) -> None:
    names = {rule.name: name_of(rule) for rule in row_rules(dirty.contract(f"silver.{table}"))}
    rows = dirty.read(quarantine_of(f"silver.{table}")).selectExpr(
        "element_at(split(_source_file, '/'), -1) AS file", "_validation_errors AS errors"
    )

    found: dict[str, Counter[str]] = {}
    for row in rows.collect():
        found.setdefault(row.file, Counter()).update(causes(row.errors, names))

    expected = {name: file["reasons"] for name, file in EXPECTED[table]["files"].items() if file["reasons"]}
    assert {name: dict(counter) for name, counter in found.items()} == expected


@pytest.mark.parametrize("table", TABLES)
def test_of_several_lines_with_one_key_the_last_delivered_is_kept(table: str, dirty: Lakehouse, run: RunResult) -> None:
    stored = dirty.read(f"silver.{table}")

    for survivor in EXPECTED[table]["survivors"]:
        values = {name: value for name, value in survivor.items() if name != "key"}
        of_key = " AND ".join(
            f"`{name}` = '{value}'" for name, value in zip(EXPECTED[table]["key"], survivor["key"], strict=True)
        )
        (row,) = stored.where(of_key).select(*values).collect()
        assert {name: str(row[name]) for name in values} == {name: str(value) for name, value in values.items()}


@pytest.mark.parametrize("table", TABLES)
def test_a_line_in_quarantine_is_kept_as_it_was_received(table: str, dirty: Lakehouse, run: RunResult) -> None:
    received = {column.name for column in dirty.contract(f"bronze.{table}").columns}

    records = dirty.read(quarantine_of(f"silver.{table}")).select("record", "_corrupt_record").collect()

    assert records
    assert all(set(json.loads(row.record)) == received for row in records)


def test_a_share_of_bad_lines_above_the_threshold_is_a_breach(run: RunResult) -> None:
    breached = {result.table for result in run.tables if any("rows are invalid" in text for text in result.breaches)}

    assert run.exit_code == 3
    assert breached == {f"silver.{table}" for table in TABLES}
