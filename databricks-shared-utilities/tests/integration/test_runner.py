"""Whole runs of a small shop: incremental equals full, nothing is lost or doubled, failures stay where they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from little_shop import SECOND, SHOP, closed, contents, land, landing, opened, succeeded
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.delta import rows_at
from databricks_utils.medallion import Lakehouse, Pipeline, Silver, run_pipeline
from databricks_utils.medallion.progress import PROGRESS
from databricks_utils.observability import RunResult


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, tmp_path)
    yield lakehouse
    closed(lakehouse)


@dataclass(frozen=True)
class Year:
    """What happened in a shop whose runs were: first delivery, second delivery, nothing new, a repeat after a crash,
    a full refresh, an order erased from silver, silver's orders alone computed anew."""

    shop: Lakehouse
    runs: tuple[RunResult, ...]
    versions: tuple[dict[str, int], ...]
    contents: tuple[dict[str, Counter[tuple[object, ...]]], ...]


@pytest.fixture(scope="module")
def year(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    shop = opened(spark, tmp_path_factory.mktemp("shop"))
    runs = [succeeded(run_pipeline(shop, SHOP))]
    noted = shop.version(PROGRESS.name)
    versions, found = [versions_of(shop)], [contents(shop)]
    land(landing(shop), SECOND)
    for crash, full_refresh in ((False, False), (False, False), (True, False), (False, True)):
        if crash:
            # What a process leaves that dies after its last write: the tables are new, the note is old.
            shop.spark.sql(f"RESTORE TABLE {shop.identifier(PROGRESS.name)} TO VERSION AS OF {noted}")
        runs.append(succeeded(run_pipeline(shop, SHOP, full_refresh=full_refresh)))
        versions.append(versions_of(shop))
        found.append(contents(shop))
    shop.spark.sql(f"DELETE FROM {shop.identifier('silver.orders')} WHERE order_id = 2")
    shop.spark.sql(f"DELETE FROM {shop.identifier('bronze.orders')} WHERE order_id = 'x'")
    runs.append(succeeded(run_pipeline(shop, SHOP)))
    found.append(contents(shop))
    succeeded(run_pipeline(shop, SHOP, tables=["silver.orders"], full_refresh=True))
    runs.append(succeeded(run_pipeline(shop, SHOP)))
    found.append(contents(shop))
    yield Year(shop, tuple(runs), tuple(versions), tuple(found))
    closed(shop)


def versions_of(shop: Lakehouse) -> dict[str, int]:
    return {table: shop.version(table) for table in SHOP.tables}


def test_incremental_runs_give_the_tables_of_a_full_refresh(year: Year) -> None:
    assert year.contents[1] == year.contents[4]
    assert all(table.balanced for table in year.runs[1].tables if table.layer == "silver")


def test_late_states_and_corrections_reach_the_facts(year: Year) -> None:
    cities = year.shop.read("gold.dim_customer").select("customer_key", "city")
    facts = {row.order_id: row for row in year.shop.read("gold.fact_orders").join(cities, "customer_key").collect()}
    days = {str(row.ordered_on): row for row in year.shop.read("gold.daily_orders").collect()}

    assert {order: row.city for order, row in facts.items()} == {1: "Rome", 2: "Bonn", 3: "Kyiv", 4: "Oslo"}
    assert (str(facts[2].amount), str(facts[3].amount)) == ("8.00", "1.00")
    assert (str(days["2024-02-05"].amount), days["2024-02-05"].orders) == ("9.00", 2)


def test_every_row_is_accounted_for(year: Year) -> None:
    first, second = (next(table for table in run.tables if table.table == "silver.orders") for run in year.runs[:2])

    assert (first.rows_read, first.rows_valid, first.rows_quarantined, first.rows_duplicate) == (4, 3, 1, 0)
    assert (second.rows_read, second.rows_valid, second.rows_quarantined, second.rows_duplicate) == (5, 2, 1, 2)
    quarantine = year.shop.identifier("silver.orders_quarantine")
    reasons = [
        {row.reason for row in rows.select(F.explode("_validation_errors").alias("reason")).collect()}
        for rows in (rows_at(year.shop.spark, quarantine, 1), year.shop.spark.table(quarantine))
    ]
    assert "cast:order_id: not a BIGINT" in reasons[0]
    assert "ordered_on_not_null" in reasons[1]


def test_a_run_without_new_files_changes_nothing(year: Year) -> None:
    assert {table.status for table in year.runs[2].tables} == {"skipped"}
    assert year.versions[2] == year.versions[1]


def test_a_crash_before_the_position_is_noted_doubles_nothing(year: Year) -> None:
    assert {table.status for table in year.runs[3].tables} != {"skipped"}
    assert year.contents[3] == year.contents[1]


def test_a_row_erased_from_silver_leaves_the_tables_made_from_it(year: Year) -> None:
    before, after = year.contents[4], year.contents[5]

    assert {row[0] for row in before["gold.fact_orders"]} - {row[0] for row in after["gold.fact_orders"]} == {2}
    assert before["gold.fact_orders"] >= after["gold.fact_orders"]
    assert before["gold.daily_orders"].total() - after["gold.daily_orders"].total() == 0
    (day,) = [row for row in after["gold.daily_orders"] if str(row[0]) == "2024-02-05"]
    assert [str(value) for value in day[1:]] == ["1.00", "1"]


def test_a_silver_table_computed_anew_alone_brings_its_rows_back_to_its_readers(year: Year) -> None:
    # What was erased from bronze meanwhile is another test's.
    erased = {"bronze.orders": None, "silver.orders_quarantine": None}

    assert {**year.contents[6], **erased} == {**year.contents[4], **erased}


def test_a_row_erased_from_bronze_is_in_no_table_made_anew(year: Year) -> None:
    gone = year.contents[4]["silver.orders_quarantine"] - year.contents[6]["silver.orders_quarantine"]

    assert gone.total() == 1
    assert '"order_id":"x"' in str(next(iter(gone)))


def test_a_batch_repeated_by_the_checkpoint_is_not_appended_again(shop: Lakehouse) -> None:
    succeeded(run_pipeline(shop, SHOP, tables=["bronze.orders"]))
    commits = Path(shop.configuration.storage.checkpoints) / "test" / "bronze.orders" / "commits"
    last = max((path for path in commits.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    # The checkpoint of a driver that died between the table's commit and its own.
    last.unlink()
    (commits / f".{last.name}.crc").unlink(missing_ok=True)

    run = succeeded(run_pipeline(shop, SHOP, tables=["bronze.orders"]))

    assert run.tables[0].rows_written == 0
    assert shop.read("bronze.orders").count() == 4


def test_a_new_checkpoint_reads_the_files_again(shop: Lakehouse, tmp_path: Path) -> None:
    succeeded(run_pipeline(shop, SHOP, tables=["bronze.orders"]))
    (tmp_path / "checkpoints").rename(tmp_path / "lost")

    run = succeeded(run_pipeline(shop, SHOP, tables=["bronze.orders"]))

    # Under the old name Delta would take the new batch 0 for the old one and drop it silently.
    assert run.tables[0].rows_written == 4


def test_a_failed_table_blocks_its_readers_and_nobody_else(shop: Lakehouse) -> None:
    def broken(orders: DataFrame) -> DataFrame:
        return orders.unionByName(orders.where("order_id = 1"))

    nodes = [node for node in SHOP.nodes if node.table != "silver.orders"]
    pipeline = Pipeline("shop", *nodes, Silver("orders", reads="bronze.orders", transform=broken))

    run = run_pipeline(shop, pipeline)

    statuses = {table.table: table.status for table in run.tables}
    errors = {table.table: table.error or "" for table in run.tables}
    assert statuses["silver.orders"] == "failed"
    assert "do not balance" in errors["silver.orders"]
    assert statuses["gold.fact_orders"] == statuses["gold.daily_orders"] == "blocked"
    assert statuses["gold.dim_customer"] == "succeeded"
    assert run.exit_code == 1


def test_a_landing_folder_that_is_missing_is_named(shop: Lakehouse) -> None:
    (landing(shop) / "orders").rename(landing(shop) / "elsewhere")

    run = run_pipeline(shop, SHOP, tables=["bronze.orders"])

    assert "storage.landing" in (run.tables[0].error or "")
