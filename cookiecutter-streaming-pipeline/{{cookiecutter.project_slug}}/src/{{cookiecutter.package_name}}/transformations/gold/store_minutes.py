"""Key figures of each store and minute."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def store_minutes(sales: DataFrame) -> DataFrame:
    """Add up sales by store and minute of the event.

    Args:
        sales: silver.sales: store_id INT, event_time TIMESTAMP, items INT, amount DECIMAL(10,2).

    Returns:
        store_id INT, minute_start TIMESTAMP, sales BIGINT, items BIGINT, amount DECIMAL(18,2), average_basket
        DECIMAL(18,2); one row for each store and minute with a sale.
    """
    minutes = sales.groupBy("store_id", F.window("event_time", "1 minute").alias("window"))
    sums = minutes.agg(
        F.count(F.lit(1)).alias("sales"),
        F.sum("items").alias("items"),
        F.sum("amount").cast("decimal(18,2)").alias("amount"),
    )
    return sums.select(
        "store_id",
        F.col("window.start").alias("minute_start"),
        "sales",
        "items",
        "amount",
        F.expr("CAST(amount / sales AS DECIMAL(18,2))").alias("average_basket"),
    )
