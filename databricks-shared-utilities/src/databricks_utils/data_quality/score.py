"""One number for a table's quality, and whether it is good enough."""

from __future__ import annotations

from collections.abc import Sequence

from databricks_utils.data_quality.results import RuleResult

#: A warning counts a fifth of an error.
WEIGHTS = {"error": 1.0, "warning": 0.2}


def quality_score(results: Sequence[RuleResult]) -> float:
    """Return the weighted share of checks that held, from 0 to 1; 1 when there was nothing to check.

    score = 1 - sum(weight * failed / checked) / sum(weight), over the rules that looked at rows; a rule about the
    table as a whole counts as one check.
    """
    weighted = [(WEIGHTS.get(item.severity, 1.0), _failed_share(item)) for item in results]
    total = sum(weight for weight, _ in weighted)
    if total == 0:
        return 1.0
    return round(1.0 - sum(weight * share for weight, share in weighted) / total, 6)


def _failed_share(item: RuleResult) -> float:
    if item.rows_failed and item.rows_checked:
        return min(1.0, item.rows_failed / item.rows_checked)
    return 0.0 if item.passed else 1.0
