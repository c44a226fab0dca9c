"""Models: gates before one replaces another, champion and challenger, and the way back."""

from __future__ import annotations

from databricks_utils.models.card import model_card
from databricks_utils.models.comparison import Arm, Comparison, compare_arms
from databricks_utils.models.gates import Gate, gate_failures
from databricks_utils.models.intervals import Interval, auc_interval, average_precision_interval, skill_interval
from databricks_utils.models.registry import Evaluation, ModelRegistry, ModelVersion, open_registry
from databricks_utils.models.routing import asks_challenger

__all__ = [
    "Arm",
    "Comparison",
    "Evaluation",
    "Gate",
    "Interval",
    "ModelRegistry",
    "ModelVersion",
    "asks_challenger",
    "auc_interval",
    "average_precision_interval",
    "compare_arms",
    "gate_failures",
    "model_card",
    "open_registry",
    "skill_interval",
]
