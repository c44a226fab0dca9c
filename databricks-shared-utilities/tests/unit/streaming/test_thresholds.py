"""What thresholds say of what queries reported last."""

from __future__ import annotations

import pytest
from little_tills import TILLS, store_minutes

from databricks_utils.config import StreamThresholds
from databricks_utils.streaming import EventAlerts, StreamPipeline
from databricks_utils.streaming.thresholds import queries_of, rules_of_reports

NONE = dict.fromkeys(StreamThresholds.model_fields.keys() - {"recent_minutes"})


def limits(**given: float) -> StreamThresholds:
    """Return thresholds that have no other limits than these."""
    return StreamThresholds.model_validate({**NONE, **given})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (10, ("warning", True, "10 events are not yet read, at most 10")),
        (11, ("warning", False, "11 events are not yet read, at most 10")),
        (1000, ("warning", False, "1,000 events are not yet read, at most 10")),
        (1001, ("error", False, "1,001 events are not yet read, at most 1,000")),
    ],
)
def test_a_value_is_held_to_the_limit_that_it_passes(value: int, expected: tuple[str, bool, str]) -> None:
    given = limits(warn_lag_events=10, fail_lag_events=1000)

    (rule,) = rules_of_reports({"bronze.sales": {"lag_events": value}}, ["bronze.sales"], given)

    assert rule.rule == "lag_events"
    assert (rule.severity, rule.passed, rule.detail) == expected


def test_of_several_queries_the_worst_counts() -> None:
    reports = {
        "a": {"state_bytes": 5.0},
        "b": {"state_bytes": 70.0},
        "c": {"state_bytes": None},
        "d": {"state_bytes": 900.0},
    }

    (rule,) = rules_of_reports(reports, ["a", "b", "c"], limits(fail_state_bytes=50))

    assert (rule.severity, rule.rows_checked, rule.rows_failed) == ("error", 2, 1)
    assert rule.detail == "70 bytes of state are in memory, at most 50"


@pytest.mark.parametrize(
    "reports", [{}, {"a": {"watermark_delay_seconds": None}}, {"b": {"watermark_delay_seconds": 9.0}}]
)
def test_what_was_not_reported_is_not_judged(reports: dict[str, dict[str, float | None]]) -> None:
    assert rules_of_reports(reports, ["a"], limits(warn_watermark_delay_seconds=1)) == ()


def test_without_a_limit_nothing_is_judged() -> None:
    assert rules_of_reports({"a": {"lag_bytes": 1e15}}, ["a"], limits()) == ()


def test_a_silver_table_answers_for_its_quarantine_and_for_alerts_about_its_events() -> None:
    alerts = EventAlerts("large", reads="silver.sales", transform=store_minutes)
    telling = StreamPipeline("tills", *TILLS.nodes, event_alerts=[alerts])

    found = {node.table: queries_of(telling, node) for node in telling}

    assert found["silver.sales"] == ("silver.sales", "silver.sales_quarantine", "large")
    assert found["silver.payments"] == ("silver.payments", "silver.payments_quarantine")
    assert found["gold.store_minutes"] == ("gold.store_minutes",)
