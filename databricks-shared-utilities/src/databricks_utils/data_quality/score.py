"""One number for a table's quality, and what the thresholds say about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from databricks_utils.data_quality.results import RuleResult

#: What a failed check counts for.
WEIGHTS = {"error": 1.0, "warning": 0.25}


class Thresholds(Protocol):
    """Where a table's quality stops being good enough; all are shares from 0 to 1."""

    @property
    def minimum_score(self) -> float:
        """Least quality score."""

    @property
    def warn_invalid_share(self) -> float:
        """Share of invalid rows above which to warn."""

    @property
    def fail_invalid_share(self) -> float:
        """Share of invalid rows above which the thresholds are breached."""


@dataclass(frozen=True)
class Decision:
    """What the thresholds say.

    Args:
        status: `passed`, `warned` or `breached`.
        reasons: One sentence for each threshold crossed.
    """

    status: Literal["passed", "warned", "breached"]
    reasons: tuple[str, ...] = ()


def quality_score(results: Iterable[RuleResult]) -> float:
    """Return the share of checks that were met, weighted by severity.

    With w = 1 for errors and 0.25 for warnings, the score is

        1 - sum(w * rows_failed) / sum(w * rows_checked)

    so 1 when every check of every row is met and 0 when none is. A rule that passes counts as met, whatever
    its tolerance let through; without any check the score is 1.

    Args:
        results: Results of row rules and table rules of one table.
    """
    failed = checked = 0.0
    for result in results:
        weight = WEIGHTS[result.severity]
        checked += weight * result.rows_checked
        failed += 0.0 if result.passed else weight * min(result.rows_failed, result.rows_checked)
    return 1.0 if checked == 0 else 1.0 - failed / checked


def decide(score: float, rows: int, rows_invalid: int, thresholds: Thresholds) -> Decision:
    """Compare a table's score and its share of invalid rows with the thresholds.

    Args:
        score: From `quality_score`.
        rows: Rows read.
        rows_invalid: Rows sent to quarantine.
        thresholds: For example the configuration's section `quality`. A value equal to a threshold is still
            good.
    """
    share = rows_invalid / rows if rows else 0.0
    breaches = []
    if score < thresholds.minimum_score:
        breaches.append(f"Quality score {score:.4f} is below {thresholds.minimum_score:.4f}")
    if share > thresholds.fail_invalid_share:
        breaches.append(f"{share:.2%} of the rows are invalid, more than {thresholds.fail_invalid_share:.2%}")
    if breaches:
        return Decision("breached", tuple(breaches))
    if share > thresholds.warn_invalid_share:
        return Decision(
            "warned", (f"{share:.2%} of the rows are invalid, more than {thresholds.warn_invalid_share:.2%}",)
        )
    return Decision("passed")
