from __future__ import annotations

import pytest
from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.frames import frame
from pyspark.sql import DataFrame, SparkSession

from {{ cookiecutter.package_name }}.transformations.gold.sales import daily_sales, monthly_sales


@pytest.fixture(scope="module")
def dim_product(spark: SparkSession) -> DataFrame:
    return frame(
        spark,
        """
        | product_key | department |
        | -1          | UNKNOWN    |
        | 501         | GROCERY    |
        | 502         | GROCERY    |
        | 503         | DELI       |
        """,
        "product_key BIGINT, department STRING",
    )


@pytest.fixture(scope="module")
def fact_sales(spark: SparkSession) -> DataFrame:
    """Household 7 shops on two days of March, household 8 once in March and once in April."""
    return frame(
        spark,
        """
        | sale_date  | basket_id | household_id | product_key | units | gross_amount | net_amount | discount_amount |
        | 2017-03-01 | 1         | 7            | 501         | 2     | 3.00         | 2.50       | 0.50            |
        | 2017-03-01 | 1         | 7            | 502         | 1     | 1.00         | 1.00       | 0.00            |
        | 2017-03-01 | 1         | 7            | 503         | 1     | 5.00         | 5.00       | 0.00            |
        | 2017-03-01 | 2         | 8            | 501         | 1     | 1.50         | 1.50       | 0.00            |
        | 2017-03-31 | 3         | 7            | 501         | 4     | 6.00         | 5.00       | 1.00            |
        | 2017-04-01 | 4         | 8            | -1          | 1     | 2.00         | -0.50      | 2.50            |
        """,
        """
        sale_date DATE, basket_id BIGINT, household_id BIGINT, product_key BIGINT, units INT,
        gross_amount DECIMAL(12,2), net_amount DECIMAL(12,2), discount_amount DECIMAL(12,2)
        """,
    )


def test_a_day_counts_each_basket_and_household_of_a_department_once(
    fact_sales: DataFrame, dim_product: DataFrame
) -> None:
    days = daily_sales(fact_sales, dim_product)

    assert_frame(
        days.select("sale_date", "department", "baskets", "households", "lines", "units"),
        """
        | sale_date  | department | baskets | households | lines | units |
        | 2017-03-01 | GROCERY    | 2       | 2          | 3     | 4     |
        | 2017-03-01 | DELI       | 1       | 1          | 1     | 1     |
        | 2017-03-31 | GROCERY    | 1       | 1          | 1     | 4     |
        | 2017-04-01 | UNKNOWN    | 1       | 1          | 1     | 1     |
        """,
    )


def test_a_day_adds_up_the_amounts_of_a_department(fact_sales: DataFrame, dim_product: DataFrame) -> None:
    days = daily_sales(fact_sales, dim_product)

    assert_frame(
        days.select("sale_date", "department", "gross_amount", "net_amount", "discount_amount"),
        """
        | sale_date  | department | gross_amount | net_amount | discount_amount |
        | 2017-03-01 | GROCERY    | 5.50         | 5.00       | 0.50            |
        | 2017-03-01 | DELI       | 5.00         | 5.00       | 0.00            |
        | 2017-03-31 | GROCERY    | 6.00         | 5.00       | 1.00            |
        | 2017-04-01 | UNKNOWN    | 2.00         | -0.50      | 2.50            |
        """,
    )


def test_a_household_that_shops_twice_in_a_month_is_one_household_of_that_month(
    fact_sales: DataFrame, dim_product: DataFrame
) -> None:
    months = monthly_sales(fact_sales, dim_product)

    assert_frame(
        months.select("month_start_date", "department", "baskets", "households", "lines", "units"),
        """
        | month_start_date | department | baskets | households | lines | units |
        | 2017-03-01       | GROCERY    | 3       | 2          | 4     | 8     |
        | 2017-03-01       | DELI       | 1       | 1          | 1     | 1     |
        | 2017-04-01       | UNKNOWN    | 1       | 1          | 1     | 1     |
        """,
    )


def test_a_month_adds_up_the_amounts_of_a_department(fact_sales: DataFrame, dim_product: DataFrame) -> None:
    months = monthly_sales(fact_sales, dim_product)

    assert_frame(
        months.select("month_start_date", "department", "gross_amount", "net_amount", "discount_amount"),
        """
        | month_start_date | department | gross_amount | net_amount | discount_amount |
        | 2017-03-01       | GROCERY    | 11.50        | 10.00      | 1.50            |
        | 2017-03-01       | DELI       | 5.00         | 5.00       | 0.00            |
        | 2017-04-01       | UNKNOWN    | 2.00         | -0.50      | 2.50            |
        """,
    )
