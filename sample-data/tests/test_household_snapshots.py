"""The register of households over the year."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from household_snapshots import (
    AGES,
    COLUMNS,
    REGULAR_DATES,
    Household,
    earn_less,
    household_snapshots,
    marry,
    welcome_child,
)

LATE = "households_late_2017-05-15.csv"
SINGLE = Household(1, "25-34", "Under 15K", None, "Unmarried", "1", "1 Adult No Kids", "0")
REGISTER = pd.DataFrame(
    {
        "household_id": range(1, 401),
        "age": "45-54",
        "income": "50-74K",
        "home_ownership": ["Homeowner", None] * 200,
        "marital_status": ["Unmarried", "Married", None, "Unmarried"] * 100,
        "household_size": "2",
        "household_comp": "2 Adults No Kids",
        "kids_count": "0",
    }
)


@pytest.fixture(scope="module")
def history() -> pd.DataFrame:
    snapshots = household_snapshots(REGISTER, seed=7)
    result: pd.DataFrame = pd.concat(snapshots.values()).sort_values(["household_id", "snapshot_date"])
    return result


def test_the_late_file_is_delivered_last_and_sorts_last() -> None:
    names = list(household_snapshots(REGISTER, seed=7))

    assert names[-1] == LATE
    assert names == sorted(names)
    assert len(names) == len(REGULAR_DATES) + 1


def test_the_late_file_holds_only_a_few_households() -> None:
    snapshots = household_snapshots(REGISTER, seed=7)

    assert 0 < len(snapshots[LATE]) < len(REGISTER) / 4
    assert list(snapshots[LATE].columns) == COLUMNS


def test_the_same_seed_gives_the_same_register_and_another_seed_another() -> None:
    first, again, other = (household_snapshots(REGISTER, seed)["households_2017-12-31.csv"] for seed in (7, 7, 8))

    assert first.equals(again)
    assert not first.equals(other)


def test_a_household_lives_the_same_life_in_a_smaller_register() -> None:
    name = "households_2017-10-01.csv"
    all_of_them = household_snapshots(REGISTER, seed=7)[name]
    few = household_snapshots(REGISTER.head(50), seed=7)[name]

    assert few.to_dict("records") == all_of_them[all_of_them["household_id"] <= 50].to_dict("records")


def test_nobody_grows_younger(history: pd.DataFrame) -> None:
    ages = history.assign(age=history["age"].map(AGES.index)).groupby("household_id")["age"]

    assert ages.apply(lambda ranks: ranks.is_monotonic_increasing).all()
    assert ages.nunique().max() == 2


def test_some_households_join_late_some_leave_and_some_come_back(history: pd.DataFrame) -> None:
    first = history.groupby("household_id")["snapshot_date"].min()
    closed = history[history["status"] == "closed"].groupby("household_id")["snapshot_date"].min()
    last = history.groupby("household_id")["status"].last()

    assert (first > date(2017, 1, 1).isoformat()).any()
    assert len(closed) > 0
    assert (last[closed.index] == "active").any()
    assert (last[closed.index] == "closed").any()


def test_only_the_late_file_knows_who_rented_in_may() -> None:
    snapshots = household_snapshots(REGISTER, seed=7)
    renting = set(snapshots[LATE].query("home_ownership == 'Renter'")["household_id"])

    others = pd.concat([frame for name, frame in snapshots.items() if name != LATE])
    assert renting
    assert not others[others["household_id"].isin(renting)]["home_ownership"].eq("Renter").any()


def test_a_child_changes_size_composition_and_number_of_kids_together() -> None:
    family = welcome_child(SINGLE)

    assert (family.household_size, family.household_comp, family.kids_count) == ("2", "1 Adult Kids", "1")


def test_marriage_brings_a_second_adult() -> None:
    couple = marry(SINGLE)

    assert (couple.marital_status, couple.household_size, couple.household_comp) == (
        "Married",
        "2",
        "2 Adults No Kids",
    )
    assert marry(couple) == couple


def test_the_lowest_income_stays_the_lowest() -> None:
    assert earn_less(SINGLE).income == "Under 15K"
