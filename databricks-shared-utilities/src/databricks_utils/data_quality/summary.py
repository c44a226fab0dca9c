"""Everything to know about labelled rows in one aggregation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.data_quality.label import ERRORS, VALID, WARNINGS
from databricks_utils.data_quality.results import RuleResult
from databricks_utils.data_quality.rules import ARRIVAL, Rule
from databricks_utils.data_quality.sql_text import quoted_name
from databricks_utils.sql_literal import string_literal

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row


@dataclass(frozen=True)
class Summary:
    """Counts of labelled rows.

    Args:
        rows: All rows.
        rows_valid: Rows without an error.
        rows_invalid: Rows with one error or more.
        distinct_keys: Different keys among the valid rows; the valid rows themselves where there is no key.
        rules: One result for each rule, in the order of the rules.
    """

    rows: int
    rows_valid: int
    rows_invalid: int
    distinct_keys: int
    rules: tuple[RuleResult, ...]


def summarise(rows: DataFrame, rules: Sequence[Rule], *, key: Sequence[str] = ()) -> Summary:
    """Count labelled rows in one job.

    Args:
        rows: From `label`, with the columns of the key.
        rules: The rules the rows were labelled with.
        key: Columns of the table's key.
    """
    row = rows.agg(*summary_columns(rules, key=key)).collect()[0]
    return summary_of(row, rules)


def summary_columns(rules: Sequence[Rule], *, key: Sequence[str] = ()) -> list[Column]:
    """Return the aggregates that `summary_of` reads; they can stand among others in one `agg`."""
    keys = f"struct({', '.join(quoted_name(name) for name in key)})"
    distinct = f"count(DISTINCT CASE WHEN {VALID} THEN {keys} END)" if key else f"count_if({VALID})"
    counts = {"rows": "count(1)", "rows_valid": f"count_if({VALID})", "distinct_keys": distinct}
    counts |= {f"rule_{number}": f"count_if({_failed(rule)})" for number, rule in enumerate(rules)}
    return [F.expr(aggregate).alias(name) for name, aggregate in counts.items()]


def summary_of(row: Row, rules: Sequence[Rule]) -> Summary:
    """Read the one row of `summary_columns`."""
    results = tuple(_result(rule, row["rows"], row[f"rule_{number}"]) for number, rule in enumerate(rules))
    return Summary(row["rows"], row["rows_valid"], row["rows"] - row["rows_valid"], row["distinct_keys"], results)


def _failed(rule: Rule) -> str:
    if rule.severity == "warning":
        return f"array_contains({WARNINGS}, {string_literal(rule.name)})"
    # The first condition spares the valid rows, which are nearly all, a search for each rule.
    if rule.kind in ARRIVAL:
        return f"NOT {VALID} AND NOT ({rule.predicate})"
    return f"NOT {VALID} AND array_contains({ERRORS}, {string_literal(rule.name)})"


def _result(rule: Rule, checked: int, failed: int) -> RuleResult:
    detail = f"{failed} of {checked} rows" if failed else ""
    return RuleResult(rule.name, rule.column, rule.kind, rule.severity, checked, failed, failed == 0, detail)
