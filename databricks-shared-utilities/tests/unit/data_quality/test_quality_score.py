"""The score and what the thresholds make of it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from databricks_utils.contracts import Severity
from databricks_utils.data_quality import RuleResult, decide, quality_score


def result(severity: Severity, checked: int, failed: int, passed: bool | None = None) -> RuleResult:
    return RuleResult("rule", None, "range", severity, checked, failed, failed == 0 if passed is None else passed)


@dataclass(frozen=True)
class Limits:
    minimum_score: float = 0.9
    warn_invalid_share: float = 0.01
    fail_invalid_share: float = 0.05


results = st.lists(
    st.integers(0, 1000).flatmap(
        lambda checked: st.builds(
            result, st.sampled_from(["error", "warning"]), st.just(checked), st.integers(0, checked)
        )
    ),
    max_size=8,
)


@given(found=results)
def test_the_score_is_one_exactly_when_nothing_failed(found: list[RuleResult]) -> None:
    score = quality_score(found)

    assert 0.0 <= score <= 1.0
    assert (score == 1.0) == all(item.passed for item in found)


def test_a_warning_weighs_a_quarter_of_an_error() -> None:
    errors = [result("error", 100, 10), result("warning", 100, 0)]
    warnings = [result("error", 100, 0), result("warning", 100, 10)]

    assert quality_score(errors) == pytest.approx(1 - 10 / 125)
    assert quality_score(warnings) == pytest.approx(1 - 2.5 / 125)


def test_rows_within_a_tolerance_cost_nothing() -> None:
    assert quality_score([result("error", 100, 3, passed=True)]) == 1.0


@pytest.mark.parametrize(
    ("score", "invalid", "status", "reasons"),
    [
        (1.0, 0, "passed", 0),
        (0.9, 10, "passed", 0),
        (0.9, 11, "warned", 1),
        (0.95, 50, "warned", 1),
        (0.95, 51, "breached", 1),
        (0.89, 0, "breached", 1),
        (0.89, 51, "breached", 2),
    ],
)
def test_a_threshold_is_crossed_only_beyond_its_value(score: float, invalid: int, status: str, reasons: int) -> None:
    decision = decide(score, 1000, invalid, Limits())

    assert (decision.status, len(decision.reasons)) == (status, reasons)


def test_no_rows_are_no_breach() -> None:
    assert decide(1.0, 0, 0, Limits()).status == "passed"
