"""Examples to learn from: households at moments, and what they did afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from {{ cookiecutter.package_name }}.models.definitions import ACTIVE_DAYS, HORIZON_DAYS


def moments(first_day: date, last_day: date) -> list[datetime]:
    """Return a moment of each month that has a full past before it and a full future after it.

    That is the first of the month, or the day on which the future of the moment before it ends, where that is later:
    what is learned from one moment tells nothing of what is to be predicted at the next. With 30 days only moments from
    March to May move, by two days at most, and only where February has one.

    Args:
        first_day: Day of the first event.
        last_day: Day of the last event, which is complete.
    """
    found: list[date] = []
    month, known = date(first_day.year, first_day.month, 1), last_day + timedelta(1)
    while (day := max([month, *(before + timedelta(HORIZON_DAYS) for before in found[-1:])])) <= known:
        if day >= first_day + timedelta(ACTIVE_DAYS) and day + timedelta(HORIZON_DAYS) <= known:
            found.append(day)
        month = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return [datetime(day.year, day.month, day.day, tzinfo=timezone.utc) for day in found]


def population(transactions: DataFrame, observed_at: Sequence[datetime]) -> DataFrame:
    """Return the households that were active before each moment.

    Args:
        transactions: household_id BIGINT, transaction_timestamp TIMESTAMP.
        observed_at: Moments in UTC.

    Returns:
        household_id BIGINT, observed_at TIMESTAMP; one row for each that bought in the days before.
    """
    at = F.explode(F.array(*[_timestamp(moment) for moment in observed_at]))
    ahead = F.col("observed_at").cast("bigint") - F.col("transaction_timestamp").cast("bigint")
    lately = _around(transactions, observed_at, ACTIVE_DAYS, 0)
    pairs = lately.select("household_id", "transaction_timestamp", at.alias("observed_at"))
    active = pairs.where((ahead > 0) & (ahead <= ACTIVE_DAYS * 86400))
    return active.select("household_id", "observed_at").distinct()


def examples(transactions: DataFrame, observed_at: Sequence[datetime]) -> DataFrame:
    """Return what the active households did after each moment.

    Args:
        transactions: household_id BIGINT, transaction_timestamp TIMESTAMP, sales_value DECIMAL.
        observed_at: Moments in UTC whose future is known.

    Returns:
        household_id BIGINT, observed_at TIMESTAMP, churned INT (1: bought nothing), next_spend DOUBLE (USD).
    """
    future = _around(transactions, observed_at, 0, HORIZON_DAYS)
    return followed(future, population(transactions, observed_at))


def followed(transactions: DataFrame, base: DataFrame) -> DataFrame:
    """Return what households did after a moment of their own.

    Args:
        transactions: household_id BIGINT, transaction_timestamp TIMESTAMP, sales_value DECIMAL.
        base: household_id BIGINT, observed_at TIMESTAMP, whose future is known.

    Returns:
        household_id BIGINT, observed_at TIMESTAMP, churned INT (1: bought nothing), next_spend DOUBLE (USD).
    """
    bought = transactions.select(F.col("household_id").alias("buyer"), "transaction_timestamp", "sales_value")
    after = F.col("transaction_timestamp").cast("bigint") - F.col("observed_at").cast("bigint")
    within = (F.col("buyer") == F.col("household_id")) & (after >= 0) & (after < HORIZON_DAYS * 86400)
    joined = base.join(bought, within, "left").groupBy("household_id", "observed_at")
    return joined.agg(
        F.when(F.count("buyer") == 0, 1).otherwise(0).alias("churned"),
        F.coalesce(F.sum("sales_value").cast("double"), F.lit(0.0)).alias("next_spend"),
    )


def _around(transactions: DataFrame, observed_at: Sequence[datetime], before: int, after: int) -> DataFrame:
    """Return the transactions from some days before the first moment to some days after the last: files are skipped."""
    at = F.col("transaction_timestamp")
    begin, end = min(observed_at) - timedelta(before), max(observed_at) + timedelta(after)
    return transactions.where((at >= _timestamp(begin)) & (at < _timestamp(end)))


def _timestamp(moment: datetime) -> Column:
    return F.expr(f"TIMESTAMP '{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S}Z'")
