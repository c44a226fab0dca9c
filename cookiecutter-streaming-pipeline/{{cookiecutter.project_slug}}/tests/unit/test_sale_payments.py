from __future__ import annotations

from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.frames import frame
from pyspark.sql import DataFrame, SparkSession

from {{ cookiecutter.package_name }}.transformations.gold.sale_payments import sale_payments

SALES = """
| sale_id | store_id | event_time          | amount |
| s1      | 1        | 2024-01-05 10:00:00 | 10.00  |
| s2      | 1        | 2024-01-05 10:00:00 | 10.00  |
| s3      | 2        | 2024-01-05 10:00:00 | 10.00  |
"""


def joined(spark: SparkSession, payments: str) -> DataFrame:
    sales = frame(spark, SALES, "sale_id STRING, store_id INT, event_time TIMESTAMP, amount DECIMAL(10,2)")
    schema = "payment_id STRING, sale_id STRING, event_time TIMESTAMP, amount DECIMAL(10,2), method STRING"
    return sale_payments(sales, frame(spark, payments, schema)).select("sale_id", "payment_id", "status")


def test_a_sale_is_paid_underpaid_or_unpaid(spark: SparkSession) -> None:
    payments = """
    | payment_id | sale_id | event_time          | amount | method |
    | p1         | s1      | 2024-01-05 10:00:05 | 10.00  | card   |
    | p2         | s2      | 2024-01-05 10:00:05 | 9.99   | cash   |
    """

    assert_frame(
        joined(spark, payments),
        """
        | sale_id | payment_id | status    |
        | s1      | p1         | paid      |
        | s2      | p2         | underpaid |
        | s3      | null       | unpaid    |
        """,
    )


def test_a_payment_counts_from_the_sale_until_its_term_ends(spark: SparkSession) -> None:
    payments = """
    | payment_id | sale_id | event_time          | amount | method |
    | p1         | s1      | 2024-01-05 09:59:59 | 10.00  | card   |
    | p2         | s2      | 2024-01-05 10:10:00 | 10.00  | card   |
    | p3         | s3      | 2024-01-05 10:10:01 | 10.00  | card   |
    """

    assert_frame(
        joined(spark, payments).where("status = 'paid'"),
        """
        | sale_id | payment_id | status |
        | s2      | p2         | paid   |
        """,
    )
