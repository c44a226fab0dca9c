"""Features: defined once, computed by day, joined as of a moment, looked up online, watched for drift."""

from __future__ import annotations

from databricks_utils.features.computing import Engine, compute_features
from databricks_utils.features.databricks import publish_online_table
from databricks_utils.features.ddl import feature_table_sql, feature_tags_sql
from databricks_utils.features.definitions import AVAILABLE_AT, Aggregation, Events, Feature, FeatureTable
from databricks_utils.features.distributions import (
    Distribution,
    array_distributions,
    current_distributions,
    distributions_from_json,
    distributions_to_json,
    reference_distributions,
)
from databricks_utils.features.documentation import feature_page
from databricks_utils.features.drift import DRIFT_TABLE, Drift, DriftThresholds, log_drift, measure_drift, save_drift
from databricks_utils.features.events import first_event_day, last_event_day, publish_valid
from databricks_utils.features.fingerprints import OtherDefinitions, require_same_definitions
from databricks_utils.features.key_types import require_same_keys
from databricks_utils.features.online import CorruptStore, OnlineRow, OnlineStore, publish
from databricks_utils.features.plan import Measure, Output, Plan
from databricks_utils.features.point_in_time import as_of
from databricks_utils.features.refreshing import Refreshed, refresh, seen_version
from databricks_utils.features.registry import FeatureRegistry
from databricks_utils.features.store import FeatureStore
from databricks_utils.features.training import LocalTrainingSet, Platform, TrainingSet, create_training_set

__all__ = [
    "AVAILABLE_AT",
    "DRIFT_TABLE",
    "Aggregation",
    "CorruptStore",
    "Distribution",
    "Drift",
    "DriftThresholds",
    "Engine",
    "Events",
    "Feature",
    "FeatureRegistry",
    "FeatureStore",
    "FeatureTable",
    "LocalTrainingSet",
    "Measure",
    "OnlineRow",
    "OnlineStore",
    "OtherDefinitions",
    "Output",
    "Plan",
    "Platform",
    "Refreshed",
    "TrainingSet",
    "array_distributions",
    "as_of",
    "compute_features",
    "create_training_set",
    "current_distributions",
    "distributions_from_json",
    "distributions_to_json",
    "feature_page",
    "feature_table_sql",
    "feature_tags_sql",
    "first_event_day",
    "last_event_day",
    "log_drift",
    "measure_drift",
    "publish",
    "publish_online_table",
    "publish_valid",
    "reference_distributions",
    "refresh",
    "require_same_definitions",
    "require_same_keys",
    "save_drift",
    "seen_version",
]
