"""Sales of the tills."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def clean_sales(sales: DataFrame) -> DataFrame:
    """Derive the value of an item.

    Args:
        sales: Typed events: items INT, amount DECIMAL(10,2), and technical columns.

    Returns:
        The rows given, with item_value DECIMAL(10,2), which is NULL where nothing was bought.
    """
    return sales.withColumn("item_value", F.expr("CASE WHEN items > 0 THEN CAST(amount / items AS DECIMAL(10,2)) END"))
