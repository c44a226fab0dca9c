"""How Spark is going to compute the heavy steps: a slower way shows here, without a stopwatch and without data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from databricks_utils.cli.project import Opened
from databricks_utils.testing.plans import assert_plan, empty_source
from pyspark.sql import DataFrame, SparkSession

from {{ cookiecutter.package_name }}.transformations.gold.business_metrics import business_metrics
from {{ cookiecutter.package_name }}.transformations.gold.sales import daily_sales, monthly_sales, sales_fact
from {{ cookiecutter.package_name }}.transformations.silver.transactions import clean_transactions

pytestmark = pytest.mark.spark_only("Sail plans in its own way")

Table = Callable[[str], DataFrame]


@pytest.fixture
def table(spark: SparkSession, project: Opened, tmp_path: Path) -> Table:
    """Return a function that gives a table of the pipeline, as large as may be and not read."""

    def named(name: str) -> DataFrame:
        columns = project.contracts[name].columns
        schema = ", ".join(f"`{column.name}` {column.data_type}" for column in columns)
        return empty_source(spark, tmp_path / name.partition(".")[2], schema)

    return named


def test_basket_lines_are_enriched_in_one_reading(table: Table) -> None:
    typed = table("silver.transactions").drop("department", "brand")

    lines = clean_transactions(typed, table("silver.products"), business_time_zone="UTC")

    assert_plan(lines, reads={"transactions": 1, "products": 1})


def test_the_fact_takes_its_keys_from_dimensions_that_are_broadcast(table: Table) -> None:
    fact = sales_fact(table("silver.transactions"), table("gold.dim_household"), table("gold.dim_product"))

    assert_plan(
        fact,
        reads={"transactions": 1, "dim_household": 1, "dim_product": 1},
        broadcasts=["dim_household", "dim_product"],
    )


@pytest.mark.parametrize("aggregate", [daily_sales, monthly_sales])
def test_sales_are_added_up_in_one_reading_of_the_fact(
    aggregate: Callable[[DataFrame, DataFrame], DataFrame], table: Table
) -> None:
    added_up = aggregate(table("gold.fact_sales"), table("gold.dim_product"))

    assert_plan(added_up, reads={"fact_sales": 1, "dim_product": 1}, broadcasts=["dim_product"])


def test_metrics_read_the_fact_for_totals_for_active_households_and_for_their_first_months(table: Table) -> None:
    metrics = business_metrics(table("gold.fact_sales"), table("gold.dim_product"))

    assert_plan(metrics, reads={"fact_sales": 3, "dim_product": 3}, broadcasts=["dim_product"])
