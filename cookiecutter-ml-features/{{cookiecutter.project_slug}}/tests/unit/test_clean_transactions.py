from __future__ import annotations

from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.frames import frame
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from {{ cookiecutter.package_name }}.transformations.silver.transactions import clean_transactions

PRODUCTS = """
| product_id | department | brand    | package_size |
| 1          | GROCERY    | National | 1 LB         |
"""
AMOUNTS = """
    sales_value DECIMAL(10,2), retail_discount DECIMAL(10,2), coupon_discount DECIMAL(10,2),
    coupon_match_discount DECIMAL(10,2)
"""
#: What a line holds in the columns that a test leaves out, as SQL.
ORDINARY = {
    "product_id": "1L",
    "sales_value": "1.00BD",
    "retail_discount": "0.00BD",
    "coupon_discount": "0.00BD",
    "coupon_match_discount": "0.00BD",
    "transaction_timestamp": "TIMESTAMP'2017-03-01 17:00:00'",
}


def cleaned(spark: SparkSession, text: str, schema: str) -> DataFrame:
    given = frame(spark, text, schema)
    lines = given.withColumns({name: F.expr(value) for name, value in ORDINARY.items() if name not in given.columns})
    products = frame(spark, PRODUCTS, "product_id BIGINT, department STRING, brand STRING, package_size STRING")
    return clean_transactions(lines, products, business_time_zone="America/New_York")


def test_gross_is_the_price_on_the_shelf_and_net_is_what_the_customer_paid(spark: SparkSession) -> None:
    lines = """
    | sales_value | retail_discount | coupon_discount | coupon_match_discount |
    | 3.00        | 0.50            | 1.00            | 0.45                  |
    | 1.00        | 0.00            | 1.50            | 0.00                  |
    """

    amounts = cleaned(spark, lines, AMOUNTS).select("sales_value", "gross_amount", "net_amount")

    assert_frame(
        amounts,
        """
        | sales_value | gross_amount | net_amount |
        | 3.00        | 3.95         | 2.00       |
        | 1.00        | 1.00         | -0.50      |
        """,
    )
    assert amounts.schema["gross_amount"].dataType.simpleString() == "decimal(12,2)"
    assert amounts.schema["net_amount"].dataType.simpleString() == "decimal(12,2)"


def test_a_discount_that_is_missing_counts_as_none(spark: SparkSession) -> None:
    lines = """
    | sales_value | retail_discount | coupon_discount | coupon_match_discount |
    | 3.00        | null            | null            | null                  |
    """

    amounts = cleaned(spark, lines, AMOUNTS).select("gross_amount", "net_amount", "coupon_discount")

    assert_frame(
        amounts,
        """
        | gross_amount | net_amount | coupon_discount |
        | 3.00         | 3.00       | null            |
        """,
    )


def test_the_day_of_a_sale_is_the_day_on_the_clock_of_the_store(spark: SparkSession) -> None:
    lines = """
    | transaction_timestamp |
    | 2018-01-01 04:59:59   |
    | 2018-01-01 05:00:00   |
    | 2017-07-01 03:59:59   |
    | 2017-07-01 04:00:00   |
    | null                  |
    """

    sales = cleaned(spark, lines, "transaction_timestamp TIMESTAMP")

    assert_frame(
        sales.select("transaction_timestamp", "transaction_date"),
        """
        | transaction_timestamp | transaction_date |
        | 2018-01-01 04:59:59   | 2017-12-31       |
        | 2018-01-01 05:00:00   | 2018-01-01       |
        | 2017-07-01 03:59:59   | 2017-06-30       |
        | 2017-07-01 04:00:00   | 2017-07-01       |
        | null                  | null             |
        """,
    )


def test_every_line_is_kept_with_its_technical_columns_and_described_by_its_product(spark: SparkSession) -> None:
    lines = """
    | product_id | _source_file |
    | 1          | a.csv        |
    | 1          | a.csv        |
    | 2          | b.csv        |
    | null       | c.csv        |
    """

    sales = cleaned(spark, lines, "product_id BIGINT, _source_file STRING")

    assert_frame(
        sales.select("product_id", "department", "brand", "_source_file"),
        """
        | product_id | department | brand    | _source_file |
        | 1          | GROCERY    | National | a.csv        |
        | 1          | GROCERY    | National | a.csv        |
        | 2          | UNKNOWN    | UNKNOWN  | b.csv        |
        | null       | UNKNOWN    | UNKNOWN  | c.csv        |
        """,
    )
