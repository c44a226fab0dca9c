"""A disk that is full and paths that are no folders: the run says so, and once there is room the next is complete."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from little_shop import SHOP, Undisturbed, closed, contents, land, landing, opened, succeeded
from pyspark.sql import SparkSession

from databricks_utils.medallion import Lakehouse, Pipeline, run_pipeline
from databricks_utils.session.launch import java_process

ORDERS = Pipeline("shop", *(node for node in SHOP.nodes if node.name == "orders"))
HEADER = "order_id,customer_id,ordered_on,amount,revision\n"


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, tmp_path, retries=3, retry_delay_seconds=0)
    yield lakehouse
    closed(lakehouse)


@contextmanager
def little_room(size: int) -> Iterator[None]:
    """Let Spark's process write no file beyond a size: the kernel then refuses as a full disk does, for root too."""
    java = java_process()
    assert java is not None
    soft, hard = resource.prlimit(java, resource.RLIMIT_FSIZE)
    resource.prlimit(java, resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.prlimit(java, resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_stops_the_run_and_nothing_of_it_is_half_written(shop: Lakehouse, spark_mode: str) -> None:
    if spark_mode == "connect":
        pytest.skip("the server is a process of the suite's, whose id the session does not tell")
    succeeded(run_pipeline(shop, ORDERS))
    versions = {table: shop.version(table) for table in ORDERS.tables}
    lines = (f"{number},{number * 7919 % 100_003},2024-01-05,1.00,1\n" for number in range(100, 30_000))
    land(landing(shop), {"orders/2.csv": HEADER + "".join(lines)})

    with little_room(50_000):
        run = run_pipeline(shop, ORDERS)

    bronze, silver = run.tables
    error = bronze.error or ""
    assert (bronze.status, silver.status, bronze.error_kind) == ("failed", "blocked", "disk-full")
    assert error.startswith("There is no space left to write to")
    assert "append the rows of new files" in error
    assert "batch 1 of the files in" in error
    assert {table: shop.version(table) for table in ORDERS.tables} == versions
    succeeded(run_pipeline(shop, ORDERS))
    assert shop.read("silver.orders").count() == 3 + 29_900


@pytest.mark.parametrize("place", ["checkpoints", "warehouse"])
def test_a_file_where_a_folder_should_be_is_named(
    spark: SparkSession, tmp_path: Path, undisturbed: Undisturbed, place: str
) -> None:
    shop = opened(spark, tmp_path)
    folder = shop.folder("silver.orders")
    assert folder is not None
    way = Path(shop.configuration.storage.checkpoints) if place == "checkpoints" else folder.parent
    way.parent.mkdir(parents=True, exist_ok=True)
    way.write_text("in the way")

    run = run_pipeline(shop, ORDERS)

    (error,) = (table.error for table in run.tables if table.status == "failed")
    assert error is not None
    assert "pipeline-failure.md#path-in-the-way" in error
    assert str(way) in error
    way.unlink()
    succeeded(run_pipeline(shop, ORDERS))
    assert contents(shop, ["silver.orders"])["silver.orders"] == undisturbed.first["silver.orders"]
    closed(shop)
