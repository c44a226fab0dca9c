"""Data quality: rules from contracts, labelled rows, counts, scores."""

from __future__ import annotations

from databricks_utils.data_quality.casting import cast_to_contract
from databricks_utils.data_quality.label import check_rules, label
from databricks_utils.data_quality.profile import ColumnProfile, profile
from databricks_utils.data_quality.results import RuleResult
from databricks_utils.data_quality.rules import Rule, TableRule, row_rules, table_rules
from databricks_utils.data_quality.score import quality_score
from databricks_utils.data_quality.summary import Summary, summarise
from databricks_utils.data_quality.table_checks import run_table_rules

__all__ = [
    "ColumnProfile",
    "Rule",
    "RuleResult",
    "Summary",
    "TableRule",
    "cast_to_contract",
    "check_rules",
    "label",
    "profile",
    "quality_score",
    "row_rules",
    "run_table_rules",
    "summarise",
    "table_rules",
]
