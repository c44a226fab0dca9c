"""Counting labelled rows: one aggregate gives everything a run reports about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.data_quality.label import CAST_PREFIX, MALFORMED
from databricks_utils.data_quality.results import RuleResult
from databricks_utils.data_quality.rules import Rule

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


@dataclass(frozen=True)
class Summary:
    """Counts over labelled rows.

    Args:
        rows: All of them.
        rows_valid: Those without errors.
        distinct_keys: Distinct keys among the valid ones; the valid ones themselves where there is no key.
        rules: A result for each rule.
    """

    rows: int
    rows_valid: int
    distinct_keys: int
    rules: tuple[RuleResult, ...]

    @property
    def rows_invalid(self) -> int:
        """Rows with errors."""
        return self.rows - self.rows_valid


def summarise(labelled: DataFrame, rules: Sequence[Rule], *, key: Sequence[str] = (), received: bool = False) -> Summary:
    """Count labelled rows in one pass.

    Args:
        labelled: What `label` returned.
        rules: The rules it was given.
        key: Key columns.
        received: As given to `label`; adds results for malformed lines and failed casts.
    """
    valid = F.col("_is_valid")
    distinct = F.count_distinct(F.when(valid, F.struct(*key))) if key else F.count(F.when(valid, 1))
    aggregates = [F.count(F.lit(1)), F.count(F.when(valid, 1)), distinct]
    aggregates += [_failed(rule) for rule in rules]
    if received:
        aggregates += [_any("_validation_errors", MALFORMED), _any_cast()]
    row = labelled.agg(*[column.alias(f"a{position}") for position, column in enumerate(aggregates)]).collect()[0]
    counts = [int(value or 0) for value in row]
    total, good, keys, *failed = counts
    results = [
        RuleResult(rule.name, rule.column, rule.kind, rule.severity, total, bad, bad == 0, rule.description or None)
        for rule, bad in zip(rules, failed, strict=False)
    ]
    if received:
        malformed, cast = failed[-2:]
        results.insert(0, RuleResult("well_formed", None, "malformed", "error", total, malformed, malformed == 0, "Lines that could be split"))
        results.insert(1, RuleResult("castable", None, "cast", "error", total, cast, cast == 0, "Values of the contract's types"))
    return Summary(total, good, keys, tuple(results))


def _failed(rule: Rule) -> Column:
    return _any("_validation_errors" if rule.severity == "error" else "_validation_warnings", rule.name)


def _any(column: str, name: str) -> Column:
    return F.count(F.when(F.array_contains(column, name), 1))


def _any_cast() -> Column:
    return F.count(F.when(F.exists("_validation_errors", lambda text: text.startswith(CAST_PREFIX)), 1))
