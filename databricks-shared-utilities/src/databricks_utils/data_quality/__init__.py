"""Data quality: rules from contracts, rows cast and labelled by them, tables checked, a score."""

from __future__ import annotations

from databricks_utils.data_quality.casting import cast_to_contract
from databricks_utils.data_quality.label import label
from databricks_utils.data_quality.pattern import java_pattern
from databricks_utils.data_quality.profile import ColumnProfile, classified_columns, profile
from databricks_utils.data_quality.results import RuleKind, RuleResult
from databricks_utils.data_quality.row_rules import row_rules
from databricks_utils.data_quality.rules import Rule, TableRule
from databricks_utils.data_quality.score import Decision, Thresholds, decide, quality_score
from databricks_utils.data_quality.summary import Summary, summarise, summary_columns, summary_of
from databricks_utils.data_quality.table_checks import run_table_rules
from databricks_utils.data_quality.table_rules import table_rules

__all__ = [
    "ColumnProfile",
    "Decision",
    "Rule",
    "RuleKind",
    "RuleResult",
    "Summary",
    "TableRule",
    "Thresholds",
    "cast_to_contract",
    "classified_columns",
    "decide",
    "java_pattern",
    "label",
    "profile",
    "quality_score",
    "row_rules",
    "run_table_rules",
    "summarise",
    "summary_columns",
    "summary_of",
    "table_rules",
]
