"""Type 2 history in plain Python: the states of members replayed by time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

State = tuple[int, str | None, int | None, date, bool]
"""Member, name, size, the day from which it holds, whether the member is gone."""
Period = tuple[int, str | None, int | None, date, date | None]
"""Member, name, size, first day, first day that it holds no longer; None while it holds."""


def replay(received: Iterable[State]) -> set[Period]:
    """Replay states by time; of one member and day the last one counts."""
    periods: set[Period] = set()
    members: dict[int, dict[date, State]] = {}
    for state in received:
        members.setdefault(state[0], {})[state[3]] = state
    for member, by_day in members.items():
        open_period: tuple[str | None, int | None, date] | None = None
        for day in sorted(by_day):
            _, name, size, _, gone = by_day[day]
            if open_period and not gone and open_period[:2] == (name, size):
                continue
            if open_period:
                periods.add((member, *open_period, day))
            open_period = None if gone else (name, size, day)
        if open_period:
            periods.add((member, *open_period, None))
    return periods
