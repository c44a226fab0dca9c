from __future__ import annotations

import pytest
from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.frames import frame
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.transformations.gold.sessions import click_sessions
from {{ cookiecutter.package_name }}.transformations.silver.clicks import clean_clicks
from {{ cookiecutter.package_name }}.transformations.silver.payments import clean_payments
from {{ cookiecutter.package_name }}.transformations.silver.sales import clean_sales


def test_the_value_of_an_item_is_missing_where_nothing_was_bought(spark: SparkSession) -> None:
    sales = """
    | sale_id | items | amount |
    | s1      | 3     | 10.00  |
    | s2      | 0     | 10.00  |
    | s3      | null  | 10.00  |
    """

    assert_frame(
        clean_sales(frame(spark, sales, "sale_id STRING, items INT, amount DECIMAL(10,2)")),
        """
        | sale_id | items | amount | item_value |
        | s1      | 3     | 10.00  | 3.33       |
        | s2      | 0     | 10.00  | null       |
        | s3      | null  | 10.00  | null       |
        """,
    )


def test_methods_and_pages_are_written_alike(spark: SparkSession) -> None:
    payments = frame(spark, "| method |\n| CARD   |\n| null   |", "method STRING")
    clicks = frame(spark, "| page |\n| Home |", "page STRING")

    assert_frame(clean_payments(payments), "| method |\n| card |\n| null |")
    assert_frame(clean_clicks(clicks), "| page |\n| home |")


@pytest.mark.spark_only("Sail has no session windows")
def test_a_visit_ends_after_more_than_five_minutes_of_silence(spark: SparkSession) -> None:
    clicks = """
    | household_id | event_time          | page |
    | 1            | 2024-01-05 10:00:00 | home |
    | 1            | 2024-01-05 10:04:59 | home |
    | 1            | 2024-01-05 10:09:59 | cart |
    | 1            | 2024-01-05 10:15:00 | home |
    | 2            | 2024-01-05 10:00:00 | cart |
    """

    assert_frame(
        click_sessions(frame(spark, clicks, "household_id BIGINT, event_time TIMESTAMP, page STRING")),
        """
        | household_id | session_start       | session_end         | clicks | pages |
        | 1            | 2024-01-05 10:00:00 | 2024-01-05 10:14:59 | 3      | 2     |
        | 1            | 2024-01-05 10:15:00 | 2024-01-05 10:20:00 | 1      | 1     |
        | 2            | 2024-01-05 10:00:00 | 2024-01-05 10:05:00 | 1      | 1     |
        """,
    )
