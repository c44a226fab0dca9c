"""The pipeline on several machines' worth of processes: the same tables, and no table ever comes to the driver."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cluster import cluster
from little_shop import FIRST, SHOP, closed, contents, land, opened, succeeded
from own_process import own_environment
from pyspark.sql import SparkSession

from databricks_utils.medallion import run_pipeline

ORDERS = 60_000
HEADER = "order_id,customer_id,ordered_on,amount,revision\n"
#: What all results of one job together may bring to the driver: far less than the rows of a table.
LIMIT = "512k"

# Runs the shop's pipeline in a cluster, then asks for all rows of a table, which is too much for the driver.
PROGRAM = """
import json, os, sys
from pathlib import Path
from little_shop import SHOP, opened, succeeded
from py4j.protocol import Py4JJavaError
from databricks_utils.medallion import run_pipeline
from databricks_utils.session import create_session, resolve_jars
from databricks_utils.session.settings import LocalSpark

folder, mark, address, limit = Path(sys.argv[1]), *sys.argv[2:]
settings = {
    "spark.master": address,
    "spark.executor.memory": "640m",
    "spark.executor.extraClassPath": os.pathsep.join(map(str, resolve_jars())),
    "spark.executor.extraJavaOptions": "-Duser.timezone=UTC -XX:TieredStopAtLevel=1",
    "spark.scheduler.minRegisteredResourcesRatio": "1",
    "spark.driver.maxResultSize": limit,
}
spark = create_session(LocalSpark(memory="1g", settings=settings), "cluster", folder / "warehouse", short_lived=True)
shop = opened(spark, folder, mark)
run = succeeded(run_pipeline(shop, SHOP))
try:
    shop.read("silver.orders").collect()
    refused = ""
except Py4JJavaError as error:
    refused = str(error)
print(json.dumps({"tables": {table.table: table.rows_written for table in run.tables}, "refused": refused}))
"""


@pytest.mark.matrix
def test_a_cluster_of_two_workers_gives_equal_tables_and_brings_none_to_the_driver(
    spark: SparkSession, tmp_path: Path
) -> None:
    numbers = range(100, 100 + ORDERS)
    lines = (f"{n},{10 + n % 2 * 10},2024-0{n % 9 + 1}-05,{n * 7919 % 100_003}.25,1\n" for n in numbers)
    delivery = {**FIRST, "orders/2.csv": HEADER + "".join(lines)}
    for place in ("alone", "many"):
        land(tmp_path / place / "landing", delivery)
    alone = opened(spark, tmp_path / "alone")
    expected = succeeded(run_pipeline(alone, SHOP))

    with cluster(tmp_path) as several:
        process = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "many"), "cluster", several.address, LIMIT],
            env=own_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        used = several.used

    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout)
    assert used == 2
    assert "spark.driver.maxResultSize" in found["refused"]
    assert found["tables"] == {table.table: table.rows_written for table in expected.tables}
    many = opened(spark, tmp_path / "many", "cluster")
    assert contents(many) == contents(alone)
    closed(many)
    closed(alone)
