"""The product dimension."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def product_members(products: DataFrame) -> DataFrame:
    """Mark the products that are sold by volume.

    Fuel is recorded in thousandths of a gallon, so its quantity must not be added to pieces.

    Args:
        products: silver.products: product_type STRING.

    Returns:
        The rows given, with is_fuel BOOLEAN.
    """
    return products.withColumn("is_fuel", F.col("product_type").startswith("GASOLINE"))
