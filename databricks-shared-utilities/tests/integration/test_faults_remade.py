"""A table that is dropped and made again is not taken for the one before it, however many versions it has."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from little_shop import SHOP, closed, contents, opened, succeeded
from pyspark.sql import SparkSession

from databricks_utils.delta import set_table_property
from databricks_utils.medallion import Lakehouse, run_pipeline
from databricks_utils.pipeline import technical


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, tmp_path)
    yield lakehouse
    closed(lakehouse)


def drop(shop: Lakehouse, table: str) -> int:
    """Drop a table and its folder; return the version it had."""
    version, folder = shop.version(table), shop.folder(table)
    assert folder is not None
    shop.spark.sql(f"DROP TABLE {shop.identifier(table)}")
    shutil.rmtree(folder, ignore_errors=True)
    return version


def grow(shop: Lakehouse, table: str, version: int) -> None:
    """Add commits that change no row, until a table has as many versions as the one before it."""
    while shop.version(table) < version:
        set_table_property(shop.spark, shop.identifier(table), "note", str(shop.version(table)))
    assert shop.version(table) == version


def test_readers_of_a_source_made_again_are_computed_from_all_its_rows(shop: Lakehouse) -> None:
    succeeded(run_pipeline(shop, SHOP))
    version = drop(shop, "silver.orders")
    shop.spark.sql(f"DELETE FROM {shop.identifier('bronze.orders')} WHERE order_id = '1'")
    succeeded(run_pipeline(shop, SHOP, tables=["silver.orders"]))
    grow(shop, "silver.orders", version + 1)

    succeeded(run_pipeline(shop, SHOP))

    assert sorted(row[0] for row in contents(shop)["gold.fact_orders"]) == [2, 3]


def test_readers_of_a_lookup_made_again_are_computed_from_all_their_rows(shop: Lakehouse) -> None:
    succeeded(run_pipeline(shop, SHOP))
    version = drop(shop, "gold.dim_customer")
    shop.spark.sql(f"UPDATE {shop.identifier('silver.customers')} SET seen_on = '2024-02-01' WHERE city = 'Rome'")
    succeeded(run_pipeline(shop, SHOP, tables=["gold.dim_customer"]))
    grow(shop, "gold.dim_customer", version + 1)

    succeeded(run_pipeline(shop, SHOP))

    facts = {row[0]: row[1] for row in contents(shop)["gold.fact_orders"]}
    assert {order for order, customer in facts.items() if customer == -1} == {1, 3}


def test_a_table_that_was_made_again_without_its_rows_is_filled_from_all_of_its_source(shop: Lakehouse) -> None:
    succeeded(run_pipeline(shop, SHOP))
    before = contents(shop)
    for table in ("silver.customers", "gold.fact_orders"):
        version = drop(shop, table)
        # What a process leaves that dies between making the table and writing it.
        shop.ensure_table(shop.contract(table), technical.columns(table.partition(".")[0]))
        grow(shop, table, version)

    succeeded(run_pipeline(shop, SHOP))

    assert contents(shop) == before


def test_files_are_read_again_into_a_bronze_table_made_again(shop: Lakehouse) -> None:
    succeeded(run_pipeline(shop, SHOP))
    before = contents(shop)
    drop(shop, "bronze.orders")
    version = drop(shop, "bronze.customers")
    # What a process leaves that dies between making the table and reading a file.
    shop.ensure_table(shop.contract("bronze.customers"), technical.columns("bronze"))
    grow(shop, "bronze.customers", version)

    succeeded(run_pipeline(shop, SHOP))

    assert contents(shop) == before
