"""What a little shop holds when nothing happens to it: the measure for every test of an accident."""

from __future__ import annotations

import pytest
from little_shop import SECOND, SHOP, Undisturbed, closed, contents, land, landing, opened, succeeded
from pyspark.sql import SparkSession

from databricks_utils.medallion import run_pipeline


@pytest.fixture(scope="session")
def undisturbed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Run two deliveries without an accident."""
    shop = opened(spark, tmp_path_factory.mktemp("undisturbed"))
    succeeded(run_pipeline(shop, SHOP))
    first = contents(shop)
    land(landing(shop), SECOND)
    succeeded(run_pipeline(shop, SHOP))
    second = contents(shop)
    closed(shop)
    return Undisturbed(first, second)
