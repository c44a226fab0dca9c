"""Derive dated snapshots of the household register from demographics that are known for one day only.

The published demographics are a single picture. A pipeline with history needs a register that changes, so a
seeded rule lets some households change over the year. All else about a household is its published value.
The rule, for each household on its own:

- about one in ten joins the register after the first snapshot; earlier purchases stay without a household;
- income moves to a neighbouring band, a child is born, a couple marries, the age moves on (never back);
- a few rent a home in May and are back to their former home before July: only the late file knows that;
- a few leave (`status` = closed), and one in three of these comes back.

A snapshot shows the register at the start of its day. The last file, a correction for 15 May with only the
households that changed since April, arrives after the snapshot of the year's end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

import pandas as pd
from complete_journey import draw

FIRST_DAY = date(2017, 1, 1)
REGULAR_DATES = (FIRST_DAY, date(2017, 4, 1), date(2017, 7, 1), date(2017, 10, 1), date(2017, 12, 31))
LATE_DATE = date(2017, 5, 15)
LATE_SINCE = date(2017, 4, 1)

AGES = ("19-24", "25-34", "35-44", "45-54", "55-64", "65+")
INCOMES = (
    "Under 15K", "15-24K", "25-34K", "35-49K", "50-74K", "75-99K",
    "100-124K", "125-149K", "150-174K", "175-199K", "200-249K", "250K+",
)  # fmt: skip
SIZES = ("1", "2", "3", "4", "5+")
KIDS = ("0", "1", "2", "3+")
COLUMNS = [
    "snapshot_date", "household_id", "age", "income", "home_ownership", "marital_status",
    "household_size", "household_comp", "kids_count", "status",
]  # fmt: skip


@dataclass(frozen=True)
class Household:
    """What the register knows about a household on one day; an unknown value is `None`."""

    household_id: int
    age: str
    income: str
    home_ownership: str | None
    marital_status: str | None
    household_size: str
    household_comp: str
    kids_count: str
    status: str = "active"


@dataclass(frozen=True)
class Event:
    """A change that takes effect at the start of a day."""

    day: date
    apply: Callable[[Household], Household]


def step(bands: tuple[str, ...], band: str, by: int) -> str:
    """Return the band that is `by` places further, staying inside the scale."""
    return bands[min(max(bands.index(band) + by, 0), len(bands) - 1)]


def grow_older(household: Household) -> Household:
    """Move to the next age band."""
    return replace(household, age=step(AGES, household.age, 1))


def earn_more(household: Household) -> Household:
    """Move to the next income band."""
    return replace(household, income=step(INCOMES, household.income, 1))


def earn_less(household: Household) -> Household:
    """Move to the income band below."""
    return replace(household, income=step(INCOMES, household.income, -1))


def welcome_child(household: Household) -> Household:
    """Add a child: one more person, one more kid, and a composition with kids."""
    return replace(
        household,
        household_size=step(SIZES, household.household_size, 1),
        household_comp=household.household_comp.replace("No Kids", "Kids"),
        kids_count=step(KIDS, household.kids_count, 1),
    )


def marry(household: Household) -> Household:
    """Marry; somebody who lived alone with or without kids is joined by a second adult."""
    if household.marital_status != "Unmarried":
        return household
    if not household.household_comp.startswith("1 Adult "):
        return replace(household, marital_status="Married")
    return replace(
        household,
        marital_status="Married",
        household_size=step(SIZES, household.household_size, 1),
        household_comp=household.household_comp.replace("1 Adult ", "2 Adults "),
    )


def rent(household: Household) -> Household:
    """Live in a rented home."""
    return replace(household, home_ownership="Renter")


def close(household: Household) -> Household:
    """Leave the register."""
    return replace(household, status="closed")


def reopen(household: Household) -> Household:
    """Come back to the register."""
    return replace(household, status="active")


def life_of(household: Household, seed: int) -> tuple[date, list[Event]]:
    """Return the day a household joins the register and its later events in the order of their days."""

    def happens(what: str, share: float) -> bool:
        return draw(seed, what, household.household_id) < share

    def some_day(what: str, first: date, last: date) -> date:
        days = (last - first).days + 1
        return first + timedelta(days=int(draw(seed, f"{what} day", household.household_id) * days))

    joined = some_day("join", date(2017, 1, 2), date(2017, 9, 30)) if happens("join", 0.10) else FIRST_DAY
    year = (max(joined, date(2017, 1, 1)) + timedelta(days=1), date(2017, 12, 20))
    events = [
        Event(some_day(what, *year), change)
        for what, share, change in (
            ("more income", 0.10, earn_more),
            ("less income", 0.05, earn_less),
            ("child", 0.06, welcome_child),
            ("marriage", 0.06, marry),
            ("age", 0.08, grow_older),
        )
        if happens(what, share)
    ]
    if happens("rented", 0.05) and joined == FIRST_DAY:
        former = household.home_ownership
        events += [
            Event(some_day("moves out", LATE_SINCE + timedelta(days=1), LATE_DATE), rent),
            Event(
                some_day("moves back", date(2017, 6, 1), date(2017, 6, 30)),
                lambda h: replace(h, home_ownership=former),
            ),
        ]
    if happens("leaves", 0.08):
        left = some_day("leaves", max(joined + timedelta(days=1), date(2017, 2, 1)), date(2017, 10, 1))
        events.append(Event(left, close))
        if happens("returns", 1 / 3):
            events.append(Event(some_day("returns", left + timedelta(days=1), date(2017, 12, 20)), reopen))
    return joined, sorted(events, key=lambda event: event.day)


def state_on(household: Household, events: list[Event], day: date) -> Household:
    """Return the household as the register shows it at the start of a day."""
    for event in events:
        if event.day <= day:
            household = event.apply(household)
    return household


def households_of(demographics: pd.DataFrame) -> Iterator[Household]:
    """Yield the published demographics, ordered by household, with `None` for values that are not known."""
    known = demographics.astype(object).where(demographics.notna(), None).sort_values("household_id")
    for row in known.itertuples(index=False):
        yield Household(
            household_id=int(row.household_id),
            age=row.age,
            income=row.income,
            home_ownership=row.home_ownership,
            marital_status=row.marital_status,
            household_size=row.household_size,
            household_comp=row.household_comp,
            kids_count=row.kids_count,
        )


def household_snapshots(demographics: pd.DataFrame, seed: int) -> dict[str, pd.DataFrame]:
    """Return the snapshot files in the order of their delivery, the late one last.

    Args:
        demographics: one row per household with the published columns.
        seed: the seed of all changes.

    Returns:
        For each file name a frame with the columns `COLUMNS`, ordered by household.
    """
    lives = [(household, *life_of(household, seed)) for household in households_of(demographics)]
    snapshots = {
        f"households_{day.isoformat()}.csv": _frame(
            day, [state_on(household, events, day) for household, joined, events in lives if joined <= day]
        )
        for day in REGULAR_DATES
    }
    changed = [
        state_on(household, events, LATE_DATE)
        for household, joined, events in lives
        if joined <= LATE_DATE and any(LATE_SINCE < event.day <= LATE_DATE for event in events)
    ]
    snapshots[f"households_late_{LATE_DATE.isoformat()}.csv"] = _frame(LATE_DATE, changed)
    return snapshots


def _frame(day: date, households: list[Household]) -> pd.DataFrame:
    rows = [{"snapshot_date": day.isoformat(), **vars(household)} for household in households]
    result: pd.DataFrame = pd.DataFrame(rows, columns=COLUMNS)
    return result
