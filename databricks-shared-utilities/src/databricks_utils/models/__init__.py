"""Models: gates before one replaces another, champion and challenger, and the way back."""

from __future__ import annotations

from databricks_utils.models.gates import Gate, gate_failures
from databricks_utils.models.registry import Evaluation, ModelRegistry, ModelVersion, open_registry

__all__ = [
    "Evaluation",
    "Gate",
    "ModelRegistry",
    "ModelVersion",
    "gate_failures",
    "open_registry",
]
