from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.frames import frame
from pyspark.sql import DataFrame, SparkSession

from {{ cookiecutter.package_name }}.transformations.gold.sales import sales_fact

LINES = """
    basket_id BIGINT, household_id BIGINT, product_id BIGINT, quantity INT, gross_amount DECIMAL(12,2),
    net_amount DECIMAL(12,2), transaction_date DATE
"""
VERSIONS = "household_key BIGINT, household_id BIGINT, effective_start_date DATE, effective_end_date DATE"
MEMBERS = "product_key BIGINT, product_id BIGINT, is_fuel BOOLEAN"


@pytest.fixture(scope="module")
def dim_household(spark: SparkSession) -> DataFrame:
    return frame(
        spark,
        """
        | household_key | household_id | effective_start_date | effective_end_date |
        | -1            | -1           | 1900-01-01           | null               |
        | 101           | 7            | 2017-03-01           | 2017-06-01         |
        | 102           | 7            | 2017-06-01           | 2017-08-01         |
        | 103           | 7            | 2017-09-01           | null               |
        """,
        VERSIONS,
    )


@pytest.fixture(scope="module")
def dim_product(spark: SparkSession) -> DataFrame:
    return frame(
        spark,
        """
        | product_key | product_id | is_fuel |
        | -1          | -1         | false   |
        | 501         | 1          | false   |
        | 502         | 2          | true    |
        """,
        MEMBERS,
    )


def test_a_sale_belongs_to_the_version_of_its_household_that_held_on_that_day(
    spark: SparkSession, dim_household: DataFrame, dim_product: DataFrame
) -> None:
    lines = frame(
        spark,
        """
        | basket_id | household_id | product_id | quantity | gross_amount | net_amount | transaction_date |
        | 1         | 7            | 1          | 1        | 1.00         | 1.00       | 2017-02-28       |
        | 2         | 7            | 1          | 1        | 1.00         | 1.00       | 2017-03-01       |
        | 3         | 7            | 1          | 1        | 1.00         | 1.00       | 2017-05-31       |
        | 4         | 7            | 1          | 1        | 1.00         | 1.00       | 2017-06-01       |
        | 5         | 7            | 1          | 1        | 1.00         | 1.00       | 2017-08-01       |
        | 6         | 7            | 1          | 1        | 1.00         | 1.00       | 2030-01-01       |
        | 7         | 8            | 1          | 1        | 1.00         | 1.00       | 2017-05-31       |
        """,
        LINES,
    )

    keys = sales_fact(lines, dim_household, dim_product).select("basket_id", "household_id", "household_key")

    assert_frame(
        keys,
        """
        | basket_id | household_id | household_key |
        | 1         | 7            | -1            |
        | 2         | 7            | 101           |
        | 3         | 7            | 101           |
        | 4         | 7            | 102           |
        | 5         | 7            | -1            |
        | 6         | 7            | 103           |
        | 7         | 8            | -1            |
        """,
    )


def test_over_random_histories_each_day_has_the_version_that_plain_python_finds(
    spark: SparkSession, dim_product: DataFrame
) -> None:
    chance, first = random.Random(7), date(2017, 1, 1)
    versions: list[tuple[int, int, date, date | None]] = [(-1, -1, date(1900, 1, 1), None)]
    for household in range(30):
        # Borders in pairs: versions that touch, gaps between them, and at times one without an end.
        borders = sorted(chance.sample(range(60), chance.randrange(2, 9)))
        for start, end in pairwise(borders):
            if chance.random() < 0.8:
                versions.append((len(versions), household, first + timedelta(start), first + timedelta(end)))
        if chance.random() < 0.5:
            versions.append((len(versions), household, first + timedelta(borders[-1]), None))
    days = [(household, first + timedelta(day)) for household in range(32) for day in range(62)]
    one = Decimal("1.00")
    lines = [(number, household, 1, 1, one, one, day) for number, (household, day) in enumerate(days)]

    fact = sales_fact(
        spark.createDataFrame(lines, LINES), spark.createDataFrame(versions, VERSIONS), dim_product
    ).select("basket_id", "household_key")

    wanted = {
        number: next(
            (
                key
                for key, member, start, end in versions
                if member == household and start <= day and (end is None or day < end)
            ),
            -1,
        )
        for number, (household, day) in enumerate(days)
    }
    rows = fact.collect()
    assert len(rows) == len(days)
    assert {row.basket_id: row.household_key for row in rows} == wanted


def test_fuel_adds_no_units_and_an_unknown_product_keeps_its_line(
    spark: SparkSession, dim_household: DataFrame, dim_product: DataFrame
) -> None:
    lines = frame(
        spark,
        """
        | basket_id | household_id | product_id | quantity | gross_amount | net_amount | transaction_date |
        | 1         | 7            | 1          | 3        | 1.00         | 1.00       | 2017-05-31       |
        | 1         | 7            | 2          | 10004    | 30.00        | 30.00      | 2017-05-31       |
        | 1         | 7            | 3          | 2        | 1.00         | 1.00       | 2017-05-31       |
        | 2         | 7            | 1          | 0        | 0.00         | 0.00       | 2017-05-31       |
        """,
        LINES,
    )

    units = sales_fact(lines, dim_household, dim_product).select(
        "basket_id", "product_id", "product_key", "quantity", "units"
    )

    assert_frame(
        units,
        """
        | basket_id | product_id | product_key | quantity | units |
        | 1         | 1          | 501         | 3        | 3     |
        | 1         | 2          | 502         | 10004    | 0     |
        | 1         | 3          | -1          | 2        | 2     |
        | 2         | 1          | 501         | 0        | 0     |
        """,
    )


def test_date_key_and_discount_follow_from_the_day_and_the_amounts(
    spark: SparkSession, dim_household: DataFrame, dim_product: DataFrame
) -> None:
    lines = frame(
        spark,
        """
        | basket_id | household_id | product_id | quantity | gross_amount | net_amount | transaction_date |
        | 1         | 7            | 1          | 1        | 3.95         | 2.00       | 2017-01-09       |
        | 2         | 7            | 1          | 1        | 1.00         | -0.50      | 2017-12-31       |
        """,
        LINES,
    )

    fact = sales_fact(lines, dim_household, dim_product).select("sale_date", "date_key", "discount_amount")

    assert_frame(
        fact,
        """
        | sale_date  | date_key | discount_amount |
        | 2017-01-09 | 20170109 | 1.95            |
        | 2017-12-31 | 20171231 | 1.50            |
        """,
    )
    assert fact.schema["discount_amount"].dataType.simpleString() == "decimal(12,2)"
