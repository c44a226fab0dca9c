"""Cron expressions that Quartz would refuse are explained."""

from __future__ import annotations

import pytest
from bundles import quartz


@pytest.mark.parametrize(
    "expression",
    ["0 0 5 * * ?", "0 0/15 8-18 ? * MON-FRI", "0 0 6 L * ? 2027", "0 0 6 ? 1,7 2#1", "0 0 6 15W * ?"],
)
def test_a_possible_cron_expression_has_no_fault(expression: str) -> None:
    assert quartz.fault(expression) is None


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("0 5 * * *", "has 5 fields"),
        ("60 0 5 * * ?", "second '60' is not within 0 to 59"),
        ("0 0 24 * * ?", "hour '24'"),
        ("0 0 5 * * *", "exactly one of"),
        ("0 0 5 ? * ?", "exactly one of"),
        ("0 0 5 ? * MONDAY", "day of week 'MONDAY'"),
        ("0 0/0 5 * * ?", "has no valid step"),
        ("? 0 5 * * ?", "? is not allowed as second"),
        ("0 0 5 0 * ?", "day of month '0'"),
        ("0 0 5 ? * 8", "day of week '8'"),
    ],
)
def test_an_impossible_cron_expression_is_explained(expression: str, reason: str) -> None:
    assert reason in (quartz.fault(expression) or "")
