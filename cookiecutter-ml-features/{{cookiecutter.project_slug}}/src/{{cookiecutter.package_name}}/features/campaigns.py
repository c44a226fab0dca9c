"""Features of the campaigns that reach a household."""

from __future__ import annotations

from databricks_utils.features import Events, Feature, FeatureTable

WINDOWS = (30, 60, 90)
TYPES = {"Type A": "a", "Type B": "b", "Type C": "c"}

BY_TYPE = tuple(
    Feature(
        f"campaigns_{name}",
        "count",
        where={"campaign_type": kind},
        windows=WINDOWS,
        description=f"Campaigns of {kind} that began.",
    )
    for kind, name in TYPES.items()
)

CAMPAIGNS = FeatureTable(
    "gold.household_campaign_features",
    source=Events("silver.campaigns", timestamp="start_date"),
    entity=("household_id",),
    features=(
        Feature("campaigns", "count", windows=WINDOWS, description="Campaigns that began."),
        *BY_TYPE,
        Feature("campaign_days", "sum", of="duration_days", windows=WINDOWS, description="Days they last, added up."),
        Feature("longest_campaign", "max", of="duration_days", windows=WINDOWS, description="Days of the longest one."),
        Feature("days_since_campaign", "days_since_last", windows=(90,), description="Days since one began."),
    ),
    description="Which campaigns a household has received lately.",
    owner="{{ cookiecutter.owner_group }}",
    ttl_days=7,
    tags=("marketing",),
)
