"""A run played again, because its note or its checkpoint was lost, gives the same tables, whatever their kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from little_shop import KEPT, SECOND, SHOP, Contents, closed, contents, land, landing, opened, succeeded
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.medallion import Gold, Lakehouse, Pipeline, Replace, Silver, run_pipeline
from databricks_utils.medallion.progress import PROGRESS


def totals(orders: DataFrame) -> DataFrame:
    return orders.groupBy("customer_id").agg(F.sum("amount").alias("amount"), F.count(F.lit(1)).alias("orders"))


#: Beside the shop's (files by a stream, by key, type 2, by slice): rows without a key, and a table computed whole.
EVERY_KIND = Pipeline(
    "shop",
    *SHOP.nodes,
    Silver("deliveries", reads="bronze.orders"),
    Gold("customer_totals", reads="silver.orders", transform=totals, write=Replace()),
)
TABLES = (*KEPT, "silver.deliveries", "silver.deliveries_quarantine", "gold.customer_totals")
THIRD = {
    "orders/3.csv": "order_id,customer_id,ordered_on,amount,revision\n6,10,2024-03-03,4.00,1\n7,,2024-03-03,4.00,1\n",
    "customers/3.jsonl": '{"customer_id":10,"seen_on":"2024-03-02","city":"Bern"}\n',
}


def forget_progress(shop: Lakehouse, version: int) -> None:
    """Leave what a process leaves that dies between its last table and its note of progress."""
    shop.spark.sql(f"RESTORE TABLE {shop.identifier(PROGRESS.name)} TO VERSION AS OF {version}")


def forget_last_batch(shop: Lakehouse, table: str) -> None:
    """Leave what a process leaves that dies between a commit to bronze and the one of its checkpoint."""
    commits = Path(shop.configuration.storage.checkpoints) / "test" / table / "commits"
    last = max((path for path in commits.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    last.unlink()
    (commits / f".{last.name}.crc").unlink(missing_ok=True)


def all_of(shop: Lakehouse) -> Contents:
    return contents(shop, TABLES)


@pytest.mark.parametrize("later", [False, pytest.param(True, marks=pytest.mark.matrix)], ids=["at once", "later"])
def test_a_run_played_again_changes_no_table_of_any_kind(spark: SparkSession, tmp_path: Path, later: bool) -> None:
    shop = opened(spark, tmp_path)
    succeeded(run_pipeline(shop, EVERY_KIND))
    first = shop.version(PROGRESS.name)
    land(landing(shop), SECOND)
    succeeded(run_pipeline(shop, EVERY_KIND))
    second = all_of(shop)
    forget_progress(shop, first)

    if not later:
        forget_last_batch(shop, "bronze.orders")
        forget_last_batch(shop, "bronze.customers")
        played_again = succeeded(run_pipeline(shop, EVERY_KIND))
        assert all_of(shop) == second
        assert {table.rows_written for table in played_again.tables if table.layer == "bronze"} == {0}
    else:  # the next delivery came before anybody noticed
        land(landing(shop), THIRD)
        succeeded(run_pipeline(shop, EVERY_KIND))
        third = all_of(shop)
        assert third["silver.deliveries"].total() == second["silver.deliveries"].total() + 1
        succeeded(run_pipeline(shop, EVERY_KIND, full_refresh=True))
        assert all_of(shop) == third
    closed(shop)


def test_rows_without_a_key_are_not_doubled_by_a_death_after_a_full_refresh(
    spark: SparkSession, tmp_path: Path
) -> None:
    deliveries = Pipeline(
        "shop", *(node for node in EVERY_KIND.nodes if node.table in ("bronze.orders", "silver.deliveries"))
    )
    shop = opened(spark, tmp_path)
    succeeded(run_pipeline(shop, deliveries))
    noted = shop.version(PROGRESS.name)
    land(landing(shop), {"orders/2.csv": SECOND["orders/2.csv"]})
    succeeded(run_pipeline(shop, deliveries, full_refresh=True))
    rows = contents(shop, ["silver.deliveries"])

    forget_progress(shop, noted)
    run = succeeded(run_pipeline(shop, deliveries))
    assert run.tables[1].status == "skipped"
    assert contents(shop, ["silver.deliveries"]) == rows
    # The position it found in the table is noted now, for the time when the commit's note is gone.
    assert shop.version(PROGRESS.name) > noted + 1
    closed(shop)
