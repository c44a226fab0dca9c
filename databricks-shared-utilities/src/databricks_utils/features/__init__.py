"""Features: defined once, computed by day, joined as of a moment, looked up online, watched for drift."""

from __future__ import annotations

from databricks_utils.features.ddl import feature_table_sql, feature_tags_sql
from databricks_utils.features.definitions import AVAILABLE_AT, Aggregation, Events, Feature, FeatureTable
from databricks_utils.features.documentation import feature_page
from databricks_utils.features.plan import Measure, Output, Plan
from databricks_utils.features.registry import FeatureRegistry

__all__ = [
    "AVAILABLE_AT",
    "Aggregation",
    "Events",
    "Feature",
    "FeatureRegistry",
    "FeatureTable",
    "Measure",
    "Output",
    "Plan",
    "feature_page",
    "feature_table_sql",
    "feature_tags_sql",
]
