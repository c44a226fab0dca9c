from __future__ import annotations

from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.frames import frame
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.transformations.gold.products import product_members


def test_fuel_is_told_by_its_product_type_whatever_its_department(spark: SparkSession) -> None:
    products = frame(
        spark,
        """
        | product_id | department    | product_type         |
        | 1          | FUEL          | GASOLINE-REG UNLEADED |
        | 2          | MISCELLANEOUS | GASOLINE-REG UNLEADED |
        | 3          | FUEL          | CAR WASH             |
        | 4          | GROCERY       | NON-GASOLINE ADDITIVE |
        | 5          | GROCERY       | UNKNOWN              |
        """,
        "product_id BIGINT, department STRING, product_type STRING",
    )

    members = product_members(products).select("product_id", "department", "is_fuel")

    assert_frame(
        members,
        """
        | product_id | department    | is_fuel |
        | 1          | FUEL          | true    |
        | 2          | MISCELLANEOUS | true    |
        | 3          | FUEL          | false   |
        | 4          | GROCERY       | false   |
        | 5          | GROCERY       | false   |
        """,
    )
