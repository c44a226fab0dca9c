"""Sales: the fact and its aggregates."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

UNKNOWN_KEY = -1


def sales_fact(transactions: DataFrame, dim_household: DataFrame, dim_product: DataFrame) -> DataFrame:
    """Give each basket line the keys of its dimensions, the household's as it was on the day of the sale.

    Args:
        transactions: silver.transactions.
        dim_household: gold.dim_household: household_key, household_id BIGINT, effective_start_date DATE,
            effective_end_date DATE (exclusive, NULL for the current version).
        dim_product: gold.dim_product: product_key, product_id BIGINT, is_fuel BOOLEAN.

    Returns:
        One row for each basket line: keys (-1 where the dimension has no match), degenerate basket_id, measures;
        units INT is the quantity in pieces, 0 for fuel.
    """
    versions = dim_household.select(
        F.col("household_id").alias("_member_id"),
        "household_key",
        F.col("effective_start_date").alias("_valid_from"),
        F.col("effective_end_date").alias("_valid_to"),
    )
    valid_then = F.expr(
        "household_id = _member_id AND transaction_date >= _valid_from "
        "AND (_valid_to IS NULL OR transaction_date < _valid_to)"
    )
    products = dim_product.select("product_id", "product_key", "is_fuel")
    return (
        transactions.join(F.broadcast(versions), valid_then, "left")
        .join(F.broadcast(products), "product_id", "left")
        .withColumns(
            {
                "sale_date": F.col("transaction_date"),
                "date_key": F.date_format("transaction_date", "yyyyMMdd").cast("int"),
                "product_key": F.coalesce("product_key", F.lit(UNKNOWN_KEY)),
                "household_key": F.coalesce("household_key", F.lit(UNKNOWN_KEY)),
                "units": F.when(F.coalesce("is_fuel", F.lit(False)), F.lit(0)).otherwise(F.col("quantity")),
                "discount_amount": F.expr("CAST(gross_amount - net_amount AS DECIMAL(12,2))"),
            }
        )
    )


def daily_sales(fact_sales: DataFrame, dim_product: DataFrame) -> DataFrame:
    """Add up sales by day and department.

    Args:
        fact_sales: gold.fact_sales.
        dim_product: gold.dim_product.

    Returns:
        sale_date DATE, department STRING and the columns of `measures`.
    """
    return _with_department(fact_sales, dim_product).groupBy("sale_date", "department").agg(*measures())


def monthly_sales(fact_sales: DataFrame, dim_product: DataFrame) -> DataFrame:
    """Add up sales by month and department.

    Baskets and households are counted from the fact, not added up from days: a household that shops twice in a
    month is one household.

    Args:
        fact_sales: gold.fact_sales.
        dim_product: gold.dim_product.

    Returns:
        month_start_date DATE, department STRING and the columns of `measures`.
    """
    months = _with_department(fact_sales, dim_product).withColumn("month_start_date", F.trunc("sale_date", "MONTH"))
    return months.groupBy("month_start_date", "department").agg(*measures())


def measures() -> tuple[Column, ...]:
    """Return the measures of the aggregates.

    Returns:
        baskets, households, lines, units BIGINT; gross_amount, net_amount, discount_amount DECIMAL. Only baskets and
        households are not additive.
    """
    return (
        F.countDistinct("basket_id").alias("baskets"),
        F.countDistinct("household_id").alias("households"),
        F.count(F.lit(1)).alias("lines"),
        F.sum("units").alias("units"),
        F.sum("gross_amount").alias("gross_amount"),
        F.sum("net_amount").alias("net_amount"),
        F.sum("discount_amount").alias("discount_amount"),
    )


def _with_department(fact_sales: DataFrame, dim_product: DataFrame) -> DataFrame:
    return fact_sales.join(F.broadcast(dim_product.select("product_key", "department")), "product_key")
