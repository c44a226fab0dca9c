"""From files to star schema: pipeline definitions and the steps that run them."""

from __future__ import annotations

from databricks_utils.medallion.consistency import check_pipeline
from databricks_utils.medallion.declarative import declare
from databricks_utils.medallion.dim_date import calendar_between, with_calendar_columns, with_holidays
from databricks_utils.medallion.pipeline import Bronze, Files, Gold, Node, Pipeline, Replace, Scd2, Silver, Upsert
from databricks_utils.medallion.runner import run_pipeline
from databricks_utils.medallion.scd import timeline
from databricks_utils.medallion.surrogate import UNKNOWN_KEY, surrogate_key, with_unknown_member
from databricks_utils.pipeline.flow import Flow, Lookup, TableNode, quarantine_of
from databricks_utils.pipeline.lakehouse import Lakehouse, namespace_of

__all__ = [
    "UNKNOWN_KEY",
    "Bronze",
    "Files",
    "Flow",
    "Gold",
    "Lakehouse",
    "Lookup",
    "Node",
    "Pipeline",
    "Replace",
    "Scd2",
    "Silver",
    "TableNode",
    "Upsert",
    "calendar_between",
    "check_pipeline",
    "declare",
    "namespace_of",
    "quarantine_of",
    "run_pipeline",
    "surrogate_key",
    "timeline",
    "with_calendar_columns",
    "with_holidays",
    "with_unknown_member",
]
