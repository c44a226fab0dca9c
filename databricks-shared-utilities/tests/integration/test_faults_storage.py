"""A full disk, forbidden paths, and files for folders: the run says so, and the next one is complete."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from little_shop import SECOND, SHOP, Undisturbed, closed, contents, land, landing, opened, succeeded
from own_process import own_environment
from pyspark.sql import SparkSession

from databricks_utils.medallion import Lakehouse, Pipeline, run_pipeline
from databricks_utils.session.launch import java_process

ORDERS = Pipeline("shop", *(node for node in SHOP.nodes if node.name == "orders"))
HEADER = "order_id,customer_id,ordered_on,amount,revision\n"
#: Root may do everything unless a process and those it starts give up the right to pass over permissions, which Linux
#: alone divides into pieces.
AS_ANYBODY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []

# Forbids one path after the other, runs the pipeline each time, and says how the run ended.
FORBIDDEN_PROGRAM = """
import json, sys
from pathlib import Path
from little_shop import SHOP, opened
from databricks_utils.medallion import Pipeline, run_pipeline
from databricks_utils.session import create_session
from databricks_utils.session.settings import LocalSpark

folder, paths = Path(sys.argv[1]), sys.argv[3:]
spark = create_session(LocalSpark(memory="1g"), "forbidden", folder / "warehouse", short_lived=True)
shop = opened(spark, folder, sys.argv[2])
orders = Pipeline("shop", *(node for node in SHOP.nodes if node.name == "orders"))
told = []
for path in map(Path, paths):
    mode = path.stat().st_mode
    path.chmod(0o555 if path.is_dir() else 0)
    run = run_pipeline(shop, orders)
    path.chmod(mode)
    told.append([run.exit_code, *([t.status, t.error_kind, t.error] for t in run.tables)])
print(json.dumps(told))
"""


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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what another process may write (prlimit)")
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


@pytest.mark.skipif(bool(AS_ANYBODY) and sys.platform != "linux", reason="nothing is forbidden to root here")
def test_a_file_or_table_that_may_not_be_touched_is_named_and_loses_nothing(
    spark: SparkSession, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    shop = opened(spark, tmp_path, "forbidden")
    succeeded(run_pipeline(shop, ORDERS))
    land(landing(shop), SECOND)
    delivery, table = landing(shop) / "orders" / "2.csv", shop.folder("silver.orders")

    process = subprocess.run(
        [*AS_ANYBODY, sys.executable, "-c", FORBIDDEN_PROGRAM, str(tmp_path), "forbidden", str(delivery), str(table)],
        env=own_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert process.returncode == 0, process.stderr
    unread, unwritten = json.loads(process.stdout)
    for (code, *tables), place, path in ((unread, 0, delivery), (unwritten, 1, table)):
        status, kind, error = tables[place]
        assert (code, status, kind) == (1, "failed", "no-permission")
        assert error.startswith("This user may not read or write there")
        assert str(path) in error
        assert "pipeline-failure.md#no-permission" in error
    assert [status for status, *_ in unread[1:]] == ["failed", "blocked"]
    assert unwritten[1][0] == "succeeded"
    succeeded(run_pipeline(shop, ORDERS))
    assert contents(shop, ["silver.orders"])["silver.orders"] == undisturbed.second["silver.orders"]
    closed(shop)
