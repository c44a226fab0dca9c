"""Clicks of the web shop."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def clean_clicks(clicks: DataFrame) -> DataFrame:
    """Write the name of the page as all clients should.

    Args:
        clicks: Typed events: page STRING, and technical columns.

    Returns:
        The rows given, with page in small letters without blanks around it.
    """
    return clicks.withColumn("page", F.lower(F.trim("page")))
