"""Seeing what runs do: tables, spans, metrics, a terminal table, an HTML report."""

from __future__ import annotations

from databricks_utils.observability.graph import Graph, GraphNode
from databricks_utils.observability.metrics import configure_metrics, flush_metrics
from databricks_utils.observability.report import render_report
from databricks_utils.observability.results import RunResult, RunStatus, TableResult, TableStatus
from databricks_utils.observability.store import RunStore
from databricks_utils.observability.streams import StreamSummary
from databricks_utils.observability.terminal import Samples, print_run, print_samples, print_table
from databricks_utils.observability.tracing import configure_tracing, span

__all__ = [
    "Graph",
    "GraphNode",
    "RunResult",
    "RunStatus",
    "RunStore",
    "Samples",
    "StreamSummary",
    "TableResult",
    "TableStatus",
    "configure_metrics",
    "configure_tracing",
    "flush_metrics",
    "print_run",
    "print_samples",
    "print_table",
    "render_report",
    "span",
]
