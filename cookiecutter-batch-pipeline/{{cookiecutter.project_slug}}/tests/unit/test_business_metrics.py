from __future__ import annotations

import pytest
from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.frames import frame
from pyspark.sql import DataFrame, SparkSession

from {{ cookiecutter.package_name }}.transformations.gold.business_metrics import business_metrics, household_activity

FACT = """
    sale_date DATE, basket_id BIGINT, household_id BIGINT, product_key BIGINT, units INT, gross_amount DECIMAL(12,2),
    net_amount DECIMAL(12,2), discount_amount DECIMAL(12,2)
"""


@pytest.fixture(scope="module")
def dim_product(spark: SparkSession) -> DataFrame:
    return frame(
        spark,
        """
        | product_key | is_fuel |
        | -1          | false   |
        | 501         | false   |
        | 502         | true    |
        """,
        "product_key BIGINT, is_fuel BOOLEAN",
    )


def test_each_month_has_its_metrics_with_ratios_rounded_half_up(spark: SparkSession, dim_product: DataFrame) -> None:
    sales = frame(
        spark,
        """
        | sale_date  | basket_id | household_id | product_key | units | gross_amount | net_amount | discount_amount |
        | 2017-01-05 | 1         | 7            | 501         | 2     | 3.00         | 2.00       | 1.00            |
        | 2017-01-05 | 1         | 7            | 502         | 0     | 20.00        | 20.00      | 0.00            |
        | 2017-01-20 | 2         | 8            | 501         | 3     | 9.00         | 8.00       | 1.00            |
        | 2017-01-31 | 3         | 8            | -1          | 0     | 0.00         | 0.00       | 0.00            |
        | 2017-02-01 | 4         | 7            | 501         | 1     | 1.60         | 1.50       | 0.10            |
        | 2017-02-10 | 5         | 9            | 501         | 1     | 1.60         | 1.60       | 0.00            |
        | 2017-02-10 | 6         | 9            | 502         | 0     | 0.00         | 0.00       | 0.00            |
        """,
        FACT,
    )

    metrics = business_metrics(sales, dim_product)

    assert_frame(
        metrics,
        """
        | metric_date | metric_name              | metric_value | unit  |
        | 2017-01-01  | revenue                  | 30.0000      | USD   |
        | 2017-01-01  | baskets                  | 3.0000       | count |
        | 2017-01-01  | active_households        | 2.0000       | count |
        | 2017-01-01  | average_basket_value     | 10.0000      | USD   |
        | 2017-01-01  | discount_rate            | 0.0625       | ratio |
        | 2017-01-01  | units_per_basket         | 1.6667       | ratio |
        | 2017-01-01  | returning_household_rate | 0.0000       | ratio |
        | 2017-02-01  | revenue                  | 3.1000       | USD   |
        | 2017-02-01  | baskets                  | 3.0000       | count |
        | 2017-02-01  | active_households        | 2.0000       | count |
        | 2017-02-01  | average_basket_value     | 1.0333       | USD   |
        | 2017-02-01  | discount_rate            | 0.0313       | ratio |
        | 2017-02-01  | units_per_basket         | 1.0000       | ratio |
        | 2017-02-01  | returning_household_rate | 0.5000       | ratio |
        """,
    )


def test_a_ratio_over_nothing_has_no_row(spark: SparkSession, dim_product: DataFrame) -> None:
    fuel_for_nothing = frame(
        spark,
        """
        | sale_date  | basket_id | household_id | product_key | units | gross_amount | net_amount | discount_amount |
        | 2017-01-05 | 1         | 7            | 502         | 0     | 0.00         | 0.00       | 0.00            |
        """,
        FACT,
    )

    metrics = business_metrics(fuel_for_nothing, dim_product).select("metric_name", "metric_value")

    assert_frame(
        metrics,
        """
        | metric_name              | metric_value |
        | revenue                  | 0.0000       |
        | baskets                  | 1.0000       |
        | active_households        | 1.0000       |
        | average_basket_value     | 0.0000       |
        | returning_household_rate | 0.0000       |
        """,
    )


def test_a_household_returns_in_every_month_after_its_first(spark: SparkSession) -> None:
    sales = frame(
        spark,
        """
        | metric_date | household_id |
        | 2017-01-01  | 7            |
        | 2017-01-01  | 7            |
        | 2017-03-01  | 7            |
        | 2017-03-01  | 8            |
        | 2017-04-01  | 8            |
        | 2017-04-01  | 7            |
        """,
        "metric_date DATE, household_id BIGINT",
    )

    activity = household_activity(sales)

    assert_frame(
        activity,
        """
        | metric_date | active_households | _returning |
        | 2017-01-01  | 1                 | 0          |
        | 2017-03-01  | 2                 | 1          |
        | 2017-04-01  | 2                 | 2          |
        """,
    )
