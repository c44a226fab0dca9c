"""Campaigns, one row for each household addressed."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def clean_campaigns(campaigns: DataFrame) -> DataFrame:
    """Trim the campaign type and count the campaign's days.

    Args:
        campaigns: Typed rows: campaign_type STRING, start_date DATE, end_date DATE.

    Returns:
        The rows given, with duration_days INT, both ends counted.
    """
    return campaigns.withColumns(
        {
            "campaign_type": F.trim("campaign_type"),
            "duration_days": F.datediff("end_date", "start_date") + 1,
        }
    )
