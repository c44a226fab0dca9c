"""Basket lines."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def clean_transactions(transactions: DataFrame, products: DataFrame, *, business_time_zone: str) -> DataFrame:
    """Derive dates and amounts, and enrich each basket line with its product's department and brand.

    Amounts follow the data's own dictionary: `sales_value` is what the retailer receives, so what the shelf said is
    that plus the discounts the retailer gave, and what the customer paid is that less the manufacturer's coupon.
    Timestamps are UTC; the day of a sale is the day on the store's clock.

    Args:
        transactions: Typed basket lines: product_id BIGINT, sales_value, retail_discount, coupon_discount,
            coupon_match_discount DECIMAL(10,2), transaction_timestamp TIMESTAMP, and technical columns.
        products: silver.products: product_id BIGINT, department STRING, brand STRING.
        business_time_zone: Time zone of the stores, as in the tz database.

    Returns:
        The rows given, with transaction_date DATE, gross_amount and net_amount DECIMAL(12,2), department and brand
        STRING ('UNKNOWN' for a product nobody has described yet).
    """
    known = products.select("product_id", "department", "brand")
    return transactions.join(known, "product_id", "left").withColumns(
        {
            "transaction_date": F.to_date(F.from_utc_timestamp("transaction_timestamp", business_time_zone)),
            "gross_amount": F.expr(
                "CAST(sales_value + coalesce(retail_discount, 0) + coalesce(coupon_match_discount, 0) AS DECIMAL(12,2))"
            ),
            "net_amount": F.expr("CAST(sales_value - coalesce(coupon_discount, 0) AS DECIMAL(12,2))"),
            "department": F.coalesce("department", F.lit("UNKNOWN")),
            "brand": F.coalesce("brand", F.lit("UNKNOWN")),
        }
    )
