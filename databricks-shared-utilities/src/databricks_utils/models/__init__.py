"""Models: what is learned and explained, gates before one replaces another, champion and challenger, and the way back.

What needs Spark or MLflow is in modules of its own, which are imported by name: scoring services have neither.
"""

from __future__ import annotations

from databricks_utils.models.card import model_card
from databricks_utils.models.comparison import Arm, Comparison, compare_arms
from databricks_utils.models.definition import ModelDefinition, ModelProject
from databricks_utils.models.explanations import Reason, Weight, find_reasons, weigh_features, weights_to_json
from databricks_utils.models.families import FAMILIES, Contributions, Family, find_family, identify_family
from databricks_utils.models.gates import Gate, gate_failures
from databricks_utils.models.intervals import Interval, auc_interval, average_precision_interval, skill_interval
from databricks_utils.models.registry import Evaluation, ModelRegistry, ModelVersion, open_registry
from databricks_utils.models.routing import asks_challenger
from databricks_utils.models.training import (
    Split,
    Trained,
    calibration_to_json,
    measure_predictions,
    predict,
    split_by_time,
    train,
)

__all__ = [
    "FAMILIES",
    "Arm",
    "Comparison",
    "Contributions",
    "Evaluation",
    "Family",
    "Gate",
    "Interval",
    "ModelDefinition",
    "ModelProject",
    "ModelRegistry",
    "ModelVersion",
    "Reason",
    "Split",
    "Trained",
    "Weight",
    "asks_challenger",
    "auc_interval",
    "average_precision_interval",
    "calibration_to_json",
    "compare_arms",
    "find_family",
    "find_reasons",
    "gate_failures",
    "identify_family",
    "measure_predictions",
    "model_card",
    "open_registry",
    "predict",
    "skill_interval",
    "split_by_time",
    "train",
    "weigh_features",
    "weights_to_json",
]
