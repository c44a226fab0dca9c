from __future__ import annotations

from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.frames import frame
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.transformations.silver.products import clean_products

PRODUCTS = """
    product_id BIGINT, department STRING, brand STRING, product_category STRING, product_type STRING,
    package_size STRING, _batch_id STRING
"""


def test_descriptions_of_products_are_named_where_they_are_missing_and_other_columns_are_kept(
    spark: SparkSession,
) -> None:
    products = frame(
        spark,
        """
        | product_id | department | brand    | product_category | product_type | package_size | _batch_id |
        | 1          | GROCERY    | National | COOKIES          | WAFERS       | 12 OZ        | b-1       |
        | 2          | null       | ""       | null             | null         | null         | b-1       |
        | null       | DELI       | Private  | CHEESE           | BULK         | ""           | b-2       |
        """,
        PRODUCTS,
    )

    cleaned = clean_products(products)

    assert_frame(
        cleaned,
        """
        | product_id | department | brand    | product_category | product_type | package_size | _batch_id |
        | 1          | GROCERY    | National | COOKIES          | WAFERS       | 12 OZ        | b-1       |
        | 2          | UNKNOWN    | UNKNOWN  | UNKNOWN          | UNKNOWN      | null         | b-1       |
        | null       | DELI       | Private  | CHEESE           | BULK         | null         | b-2       |
        """,
    )


def test_spaces_around_the_descriptions_of_products_are_removed(spark: SparkSession) -> None:
    # A cell of a table written as text cannot begin with a blank.
    products = spark.sql(
        "SELECT ' DELI ' AS department, 'Private  ' AS brand, '   ' AS product_category, ' A B' AS product_type, "
        "' 1 LB ' AS package_size"
    )

    cleaned = clean_products(products)

    assert_frame(
        cleaned,
        """
        | department | brand   | product_category | product_type | package_size |
        | DELI       | Private | UNKNOWN          | A B          | 1 LB         |
        """,
    )
