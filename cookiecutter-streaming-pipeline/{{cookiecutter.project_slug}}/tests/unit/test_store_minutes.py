from __future__ import annotations

from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.frames import frame
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.transformations.gold.store_minutes import store_minutes

SCHEMA = "store_id INT, event_time TIMESTAMP, items INT, amount DECIMAL(10,2)"


def test_sales_are_added_up_by_store_and_minute_of_the_event(spark: SparkSession) -> None:
    sales = """
    | store_id | event_time              | items | amount |
    | 1        | 2024-01-05 10:00:00.000 | 2     | 10.00  |
    | 1        | 2024-01-05 10:00:59.999 | 1     | 5.00   |
    | 1        | 2024-01-05 10:01:00.000 | 1     | 1.00   |
    | 2        | 2024-01-05 10:00:30.000 | 4     | 0.99   |
    """

    assert_frame(
        store_minutes(frame(spark, sales, SCHEMA)),
        """
        | store_id | minute_start        | sales | items | amount | average_basket |
        | 1        | 2024-01-05 10:00:00 | 2     | 3     | 15.00  | 7.50           |
        | 1        | 2024-01-05 10:01:00 | 1     | 1     | 1.00   | 1.00           |
        | 2        | 2024-01-05 10:00:00 | 1     | 4     | 0.99   | 0.99           |
        """,
    )


def test_a_sale_without_items_still_counts(spark: SparkSession) -> None:
    sales = """
    | store_id | event_time          | items | amount |
    | 1        | 2024-01-05 10:00:00 | null  | 10.00  |
    """

    assert_frame(
        store_minutes(frame(spark, sales, SCHEMA)).select("sales", "items", "amount"),
        """
        | sales | items | amount |
        | 1     | null  | 10.00  |
        """,
    )
