"""What a little shop holds when nothing happens to it: the measure for every test of an accident."""

from __future__ import annotations

import fcntl
import pickle
from pathlib import Path

import pytest
from little_shop import SECOND, SHOP, Undisturbed, closed, contents, land, landing, opened, succeeded
from pyspark.sql import SparkSession

from databricks_utils.medallion import run_pipeline


@pytest.fixture(scope="session")
def undisturbed(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Undisturbed:
    """Run two deliveries without an accident, in the first test process that asks; the others wait for its tables."""
    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):  # the folder of a test process lies in that of the whole run
        folder = folder.parent
    done = folder / "undisturbed.pickle"
    with (folder / "undisturbed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            done.write_bytes(pickle.dumps(two_deliveries(spark, tmp_path_factory.mktemp("undisturbed"))))
        found = pickle.loads(done.read_bytes())
    assert isinstance(found, Undisturbed)
    return found


def two_deliveries(spark: SparkSession, folder: Path) -> Undisturbed:
    shop = opened(spark, folder)
    succeeded(run_pipeline(shop, SHOP))
    first = contents(shop)
    land(landing(shop), SECOND)
    succeeded(run_pipeline(shop, SHOP))
    second = contents(shop)
    closed(shop)
    return Undisturbed(first, second)
