"""What a rule found."""

from __future__ import annotations

from collections.abc import Sequence
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

#: What follows from a rule: nothing, a word of warning, rows in quarantine, or a breach (exit code 3).
Consequence = Literal["none", "warning", "quarantine", "breach"]

#: Kinds of rules about a table as a whole, for which no single row can be named.
_WHOLE: tuple[RuleKind, ...] = (
    "unique",
    "reference",
    "freshness",
    "row_count",
    "tolerance",
    "invalid_share",
    "score",
    "limit",
)


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
        set_aside: Whether the rows that do not meet it were put into quarantine, so that the table is without them.
    """

    rule: str
    column: str | None
    kind: RuleKind
    severity: Severity
    rows_checked: int
    rows_failed: int
    passed: bool
    detail: str = ""
    set_aside: bool = False

    @property
    def consequence(self) -> Consequence:
        """What follows: an error must not be in a table, so it is in quarantine, or the table is breached."""
        if self.passed:
            return "none"
        if self.severity == "warning":
            return "warning"
        return "quarantine" if self.set_aside else "breach"


def breaches_of(rules: Sequence[RuleResult]) -> tuple[str, ...]:
    """Return a sentence for each rule of severity error that a table does not meet."""
    return tuple(_sentence(rule) for rule in rules if rule.consequence == "breach")


def warnings_of(rules: Sequence[RuleResult]) -> tuple[str, ...]:
    """Return a sentence for each rule of severity warning about the whole table that it does not meet.

    Warnings about single rows are marked in the rows, and counted with the rules.
    """
    return tuple(_sentence(rule) for rule in rules if rule.consequence == "warning" and rule.kind in _WHOLE)


def _sentence(rule: RuleResult) -> str:
    return f"Rule {rule.rule} is not met" + (f": {rule.detail}" if rule.detail else "")
