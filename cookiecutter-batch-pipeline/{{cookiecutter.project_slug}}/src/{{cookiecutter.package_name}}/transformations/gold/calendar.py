"""The calendar dimension."""

from __future__ import annotations

from databricks_utils.medallion import calendar_between, with_calendar_columns, with_holidays
from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def calendar(transactions: DataFrame, *, fiscal_year_start_month: int, holiday_country: str) -> DataFrame:
    """Make a row for every day of the years in which something was sold.

    Args:
        transactions: silver.transactions: transaction_date DATE.
        fiscal_year_start_month: First month of the fiscal year, 1 to 12.
        holiday_country: ISO 3166-1 alpha-2 code.

    Returns:
        One row a day, with the columns of `with_calendar_columns` and `with_holidays`.
    """
    bounds = transactions.agg(
        F.min("transaction_date").alias("first_date"), F.max("transaction_date").alias("last_date")
    )
    days = with_calendar_columns(calendar_between(bounds), fiscal_year_start_month=fiscal_year_start_month)
    return with_holidays(days, country=holiday_country)
