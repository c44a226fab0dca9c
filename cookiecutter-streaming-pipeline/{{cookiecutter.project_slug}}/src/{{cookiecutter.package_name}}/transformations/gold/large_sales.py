"""Sales that somebody should hear of while the customer is still in the store."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def large_sales(sales: DataFrame, *, large_amount: float) -> DataFrame:
    """Pick single sales of a great amount; nothing else is looked at, so that an alert needs no state and no table.

    Args:
        sales: sale_id STRING, event_time TIMESTAMP, store_id INT, amount DECIMAL(10,2) (USD).
        large_amount: USD from which a sale is told.

    Returns:
        alert_id STRING, event_time TIMESTAMP, store_id INT, amount DECIMAL(10,2); one row for each such sale.
    """
    return sales.where(F.col("amount") >= F.lit(large_amount)).select(
        F.concat(F.lit("large_sale:"), "sale_id").alias("alert_id"), "event_time", "store_id", "amount"
    )
