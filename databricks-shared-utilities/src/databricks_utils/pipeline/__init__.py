"""What pipelines of batches and of streams share: flow, lakehouse, technical columns, checkpoints, failures."""

from __future__ import annotations

from databricks_utils.pipeline.flow import Definition, Flow, Lookup, TableNode, Transform, as_lookups, quarantine_of
from databricks_utils.pipeline.lakehouse import Lakehouse, namespace_of

__all__ = [
    "Definition",
    "Flow",
    "Lakehouse",
    "Lookup",
    "TableNode",
    "Transform",
    "as_lookups",
    "namespace_of",
    "quarantine_of",
]
