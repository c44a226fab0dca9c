"""Households, one row for each snapshot."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

DESCRIPTIONS = (
    "age_band",
    "income_band",
    "home_ownership",
    "marital_status",
    "household_size",
    "household_composition",
    "kids_count",
)


def clean_households(households: DataFrame) -> DataFrame:
    """Trim what is said about a household and name what is not.

    Args:
        households: Typed snapshots: the seven descriptions and status STRING.

    Returns:
        The rows given; a description that is missing becomes 'UNKNOWN', so that a change to or from it is seen.
    """
    described = {
        name: F.coalesce(F.when(F.length(F.trim(name)) > 0, F.trim(name)), F.lit("UNKNOWN")) for name in DESCRIPTIONS
    }
    return households.withColumns({**described, "status": F.lower(F.trim("status"))})
