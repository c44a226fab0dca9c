"""What a rule found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from databricks_utils.contracts import Severity

RuleKind = Literal[
    "not_null",
    "range",
    "set",
    "pattern",
    "length",
    "date_order",
    "expression",
    "cast",
    "malformed",
    "unique",
    "reference",
    "freshness",
    "row_count",
    "tolerance",
    "invalid_share",
    "score",
    "limit",
]


@dataclass(frozen=True)
class RuleResult:
    """The outcome of one rule over one set of rows.

    Args:
        rule: Name of the rule, unique within its table.
        column: The column it is about; None when it is about several or about the whole table.
        kind: What sort of rule it is.
        severity: `error` or `warning`.
        rows_checked: Rows the rule looked at.
        rows_failed: Rows that do not meet it.
        passed: Whether the rule is met as a whole; a rule with a tolerance can pass with failed rows.
        detail: One line for people, empty when there is nothing to add.
    """

    rule: str
    column: str | None
    kind: RuleKind
    severity: Severity
    rows_checked: int
    rows_failed: int
    passed: bool
    detail: str = ""
