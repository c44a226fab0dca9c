"""Visits to the web shop."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

#: A visit ends when a household has not clicked for longer; the click that comes just then still belongs to it.
SILENCE = "5 minutes"


def click_sessions(clicks: DataFrame) -> DataFrame:
    """Group the clicks of a household into visits.

    Args:
        clicks: silver.clicks: household_id BIGINT, event_time TIMESTAMP, page STRING.

    Returns:
        household_id BIGINT, session_start and session_end TIMESTAMP, clicks BIGINT, pages BIGINT (different ones).
    """
    visits = clicks.groupBy("household_id", F.session_window("event_time", SILENCE).alias("session"))
    counted = visits.agg(F.count(F.lit(1)).alias("clicks"), F.size(F.collect_set("page")).alias("pages"))
    return counted.select(
        "household_id",
        F.col("session.start").alias("session_start"),
        F.col("session.end").alias("session_end"),
        "clicks",
        F.col("pages").cast("bigint").alias("pages"),
    )
