"""Rules about whole tables of streams: at the end of a run, and by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from little_tills import TILLS, closed, land, opened, payment, ran, sale
from pyspark.sql import SparkSession

from databricks_utils.medallion import Lakehouse
from databricks_utils.observability import RunResult, RunStore
from databricks_utils.streaming import check_tables

TABLES = ["bronze.sales", "silver.sales", "gold.store_minutes"]


@pytest.fixture
def tills(spark: SparkSession, lakehouse_folder: Path) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, lakehouse_folder)
    land(lakehouse, "tills.sales", "1.jsonl", [sale(1, "10:00:05"), sale(2, "10:00:40")])
    yield lakehouse
    closed(lakehouse)


def outcomes(run: RunResult) -> dict[tuple[str, str], tuple[bool, str, int, int]]:
    return {
        (item.table, rule.rule): (rule.passed, rule.severity, rule.rows_checked, rule.rows_failed)
        for item in run.tables
        for rule in item.rules
    }


def kept(tills: Lakehouse, run_id: str) -> dict[tuple[str, str], tuple[bool, str, int, int]]:
    rows = tills.read("operations.quality_results").where(f"run_id = '{run_id}'").collect()
    return {(row.table_name, row.rule): (row.passed, row.severity, row.rows_checked, row.rows_failed) for row in rows}


def test_a_run_checks_what_it_has_written_and_later_only_its_age(tills: Lakehouse) -> None:
    age = {("silver.sales", "freshness"): (False, "warning", 1, 1)}

    first, second = ran(tills, *TABLES), ran(tills, *TABLES)

    assert outcomes(first) == kept(tills, first.run_id)
    assert outcomes(first) == {
        ("silver.sales", "primary_key"): (True, "error", 2, 0),
        ("gold.store_minutes", "primary_key"): (True, "error", 1, 0),
        ("gold.store_minutes", "not_empty"): (True, "error", 1, 0),
        **age,
    }
    # The sales are of 2024: a warning, which no exit code tells.
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert outcomes(second) == kept(tills, second.run_id) == age


def test_a_key_that_is_there_twice_breaches_and_is_kept_with_the_runs_name(tills: Lakehouse) -> None:
    ran(tills, *TABLES)
    table = tills.identifier("silver.sales")
    tills.spark.sql(f"INSERT INTO {table} SELECT * FROM {table} WHERE sale_id = 's1'")

    run = check_tables(tills, TILLS, tables=["silver.sales", "silver.payments"], run_id="look")

    assert (run.status, run.exit_code) == ("breached", 3)
    assert [(item.table, item.status, item.breaches) for item in run.tables] == [
        ("silver.sales", "succeeded", ("Rule primary_key is not met: 1 surplus rows, must be 0",)),
        ("silver.payments", "skipped", ()),
    ]
    assert kept(tills, "look") == outcomes(run)
    # A look at the tables is no run: the last run stays the last.
    assert "look" not in [found.run_id for found in RunStore(tills.namespace).latest(tills.spark, 10)]


def test_a_row_that_refers_to_nothing_breaches_the_run_that_finds_it(tills: Lakehouse) -> None:
    land(tills, "tills.payments", "1.jsonl", [payment(1, "10:00:10"), payment(2, "10:00:50")])
    ran(tills)
    tills.spark.sql(f"DELETE FROM {tills.identifier('silver.sales')} WHERE sale_id = 's2'")

    run = check_tables(tills, TILLS, tables=["gold.paid_sales"])

    assert run.exit_code == 3
    assert outcomes(run)["gold.paid_sales", "sale_id_reference"] == (False, "error", 2, 1)


def test_checks_can_be_left_to_the_command(spark: SparkSession, lakehouse_folder: Path) -> None:
    tills = opened(spark, lakehouse_folder, {"check_tables": False})
    land(tills, "tills.sales", "1.jsonl", [sale(1, "10:00:05")])

    run = ran(tills, *TABLES)

    assert outcomes(run) == {}
    assert outcomes(check_tables(tills, TILLS, tables=TABLES)).keys() >= {("silver.sales", "primary_key")}
    closed(tills)


def test_a_rule_that_does_not_fit_its_table_fails_that_table_alone(tills: Lakehouse) -> None:
    ran(tills, *TABLES)
    tills.spark.sql(f"DROP TABLE {tills.identifier('gold.store_minutes')}")
    tills.spark.sql(f"CREATE TABLE {tills.identifier('gold.store_minutes')} (store_id INT) USING delta")

    run = check_tables(tills, TILLS, tables=["silver.sales", "gold.store_minutes"])

    found = {item.table: (item.status, item.error) for item in run.tables}
    assert (run.exit_code, found["silver.sales"][0], found["gold.store_minutes"][0]) == (1, "succeeded", "failed")
    assert "A rule does not fit the table" in str(found["gold.store_minutes"][1])
