"""Checks Quartz cron expressions: seconds first, six or seven fields, `?` in one of the two day fields."""

from __future__ import annotations

import re

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
FIELDS = ("second", "minute", "hour", "day of month", "month", "day of week", "year")
LIMITS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2099))
NAMES = {"month": MONTHS, "day of week": DAYS}
#: Last day, nearest weekday, n-th weekday of the month.
SPECIAL = {
    "day of month": re.compile(r"L|LW|L-([1-9]|[12]\d|30)|([1-9]|[12]\d|3[01])W"),
    "day of week": re.compile(rf"L|([1-7]|{'|'.join(DAYS)})(L|#[1-5])"),
}


def fault(expression: str) -> str | None:
    """Say what is wrong with an expression, or None.

    Source: Quartz Scheduler documentation, "CronExpression".
    """
    parts = expression.upper().split()
    if len(parts) not in (6, 7):
        return f"has {len(parts)} fields, expected 6 or 7 (seconds come first)"
    for name, part, limits in zip(FIELDS, parts, LIMITS, strict=False):
        reason = _field_fault(name, part, limits)
        if reason:
            return reason
    if (parts[3] == "?") == (parts[5] == "?"):
        return "needs ? in exactly one of day of month and day of week"
    return None


def _field_fault(name: str, text: str, limits: tuple[int, int]) -> str | None:
    if text == "?":
        return None if name in SPECIAL else f"? is not allowed as {name}"
    for item in text.split(","):
        if name in SPECIAL and SPECIAL[name].fullmatch(item):
            continue
        span, slash, step = item.partition("/")
        if slash and not (step.isdecimal() and int(step) > 0):
            return f"{name} {item!r} has no valid step"
        values = [] if span == "*" else span.split("-")
        if len(values) > 2 or not all(_within(name, value, limits) for value in values):
            return f"{name} {item!r} is not within {limits[0]} to {limits[1]}"
    return None


def _within(name: str, value: str, limits: tuple[int, int]) -> bool:
    if value in NAMES.get(name, []):
        return True
    return value.isdecimal() and limits[0] <= int(value) <= limits[1]
