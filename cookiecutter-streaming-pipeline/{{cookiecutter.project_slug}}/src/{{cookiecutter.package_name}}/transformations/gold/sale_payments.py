"""Sales and what was paid for them: a join of two streams."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

#: Longest time between a sale and its payment; it bounds what the join remembers.
PAYMENT_TERM = "10 MINUTES"


def sale_payments(sales: DataFrame, payments: DataFrame) -> DataFrame:
    """Find the payment of each sale.

    Args:
        sales: silver.sales: sale_id STRING, store_id INT, event_time TIMESTAMP, amount DECIMAL(10,2).
        payments: silver.payments: payment_id, sale_id, method STRING, event_time TIMESTAMP, amount DECIMAL(10,2).

    Returns:
        sale_id, store_id, sold_at, amount, payment_id, paid_at, paid_amount, method and status (`paid`,
        `underpaid`, `unpaid`); one row for each sale and payment in time. An unpaid sale comes when the watermark says
        that no payment can come any more.
    """
    taken = payments.select(
        "payment_id",
        F.col("sale_id").alias("paid_sale"),
        F.col("event_time").alias("paid_at"),
        F.col("amount").alias("paid_amount"),
        "method",
    )
    term = f"paid_sale = sale_id AND paid_at BETWEEN event_time AND event_time + INTERVAL {PAYMENT_TERM}"
    status = F.expr(
        "CASE WHEN payment_id IS NULL THEN 'unpaid' WHEN paid_amount < amount THEN 'underpaid' ELSE 'paid' END"
    )
    return sales.join(taken, F.expr(term), "left").select(
        "sale_id",
        "store_id",
        F.col("event_time").alias("sold_at"),
        "amount",
        "payment_id",
        "paid_at",
        "paid_amount",
        "method",
        status.alias("status"),
    )
