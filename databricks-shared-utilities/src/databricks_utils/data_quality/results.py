"""What a rule found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RuleResult:
    """The outcome of one rule over the rows of one run.

    Args:
        rule: Name of the rule.
        column: The column it looks at, or None.
        kind: For example `not_null` or `range`.
        severity: `error` or `warning`.
        rows_checked: Rows looked at.
        rows_failed: Rows that broke it.
        passed: It holds: no row failed, or a table rule's condition is met.
        detail: More, for people.
    """

    rule: str
    column: str | None
    kind: str
    severity: str
    rows_checked: int
    rows_failed: int
    passed: bool
    detail: str | None = None
