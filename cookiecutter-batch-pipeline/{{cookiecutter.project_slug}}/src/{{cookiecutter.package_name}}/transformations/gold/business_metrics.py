"""Monthly business metrics, one row for each month and metric."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

UNITS = {
    "revenue": "USD",
    "baskets": "count",
    "active_households": "count",
    "average_basket_value": "USD",
    "discount_rate": "ratio",
    "units_per_basket": "ratio",
    "returning_household_rate": "ratio",
}


def business_metrics(fact_sales: DataFrame, dim_product: DataFrame) -> DataFrame:
    """Compute the metrics the business is steered by.

    Args:
        fact_sales: gold.fact_sales.
        dim_product: gold.dim_product: product_key BIGINT, is_fuel BOOLEAN.

    Returns:
        metric_date DATE (first of the month), metric_name STRING, metric_value DECIMAL(18,4), unit STRING. Ratios are
        rounded half up; a ratio over nothing has no row.
    """
    sales = fact_sales.join(F.broadcast(dim_product.select("product_key", "is_fuel")), "product_key").withColumn(
        "metric_date", F.trunc("sale_date", "MONTH")
    )
    totals = sales.groupBy("metric_date").agg(
        F.sum("net_amount").alias("revenue"),
        F.countDistinct("basket_id").alias("baskets"),
        F.sum("discount_amount").alias("_discount"),
        F.sum("gross_amount").alias("_gross"),
        F.sum("units").alias("_units"),
        F.countDistinct(F.when(~F.col("is_fuel"), F.col("basket_id"))).alias("_unit_baskets"),
    )
    values = {
        "revenue": F.col("revenue"),
        "baskets": F.col("baskets"),
        "active_households": F.col("active_households"),
        "average_basket_value": _ratio("revenue", "baskets"),
        "discount_rate": _ratio("_discount", "_gross"),
        "units_per_basket": _ratio("_units", "_unit_baskets"),
        "returning_household_rate": _ratio("_returning", "active_households"),
    }
    return _as_rows(totals.join(household_activity(sales), "metric_date"), values)


def household_activity(sales: DataFrame) -> DataFrame:
    """Count the households of each month, and those that had bought in an earlier month.

    Args:
        sales: metric_date DATE, household_id BIGINT, in any number of rows.

    Returns:
        metric_date DATE, active_households BIGINT, _returning BIGINT.
    """
    first = sales.groupBy("household_id").agg(F.min("metric_date").alias("_first_month"))
    # Not distinct(): a declarative pipeline cannot look a frame up while it is declared, and distinct() would.
    active = sales.groupBy("metric_date", "household_id").agg(F.count(F.lit(1)).alias("_lines"))
    active = active.join(first, "household_id")
    return active.groupBy("metric_date").agg(
        F.count(F.lit(1)).alias("active_households"),
        F.count(F.when(F.col("_first_month") < F.col("metric_date"), F.lit(1))).alias("_returning"),
    )


def _ratio(numerator: str, denominator: str) -> Column:
    return F.expr(
        f"CASE WHEN {denominator} <> 0 THEN "
        f"round(CAST({numerator} AS DECIMAL(28,2)) / CAST({denominator} AS DECIMAL(18,2)), 4) END"
    )


def _as_rows(months: DataFrame, values: dict[str, Column]) -> DataFrame:
    metrics = F.array(
        *[
            F.struct(
                F.lit(name).alias("metric_name"),
                value.cast("decimal(18,4)").alias("metric_value"),
                F.lit(UNITS[name]).alias("unit"),
            )
            for name, value in values.items()
        ]
    )
    rows = months.select("metric_date", F.explode(metrics).alias("metric"))
    return rows.select("metric_date", "metric.*").where("metric_value IS NOT NULL")
