"""Tiles and windows in arrays against plain Python, on random events, without Spark; and defects that it finds."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from broken import broken
from feature_oracle import bits, features_of
from feature_shop import HOUSEHOLDS, SALES
from hypothesis import given, settings
from hypothesis import strategies as st

from databricks_utils.errors import InvalidInput
from databricks_utils.features import Feature, numpy_tiles, numpy_windows, ranges
from databricks_utils.features.plan import EPOCH, plan_of

BEGIN = date(2024, 2, 20)
START = (BEGIN - EPOCH).days
#: Day from BEGIN, household, store, quantity.
Sale = tuple[int, int, int, int]
FEATURES = tuple(
    Feature(f"f_{aggregation}", aggregation, of="quantity", windows=(1, 3, 7), description="Tested.")
    for aggregation in ("count", "sum", "mean", "min", "max", "std", "count_distinct", "active_days", "days_since_last")
)
TABLE = replace(HOUSEHOLDS, features=FEATURES)
PLAN = plan_of(TABLE, SALES)

sales = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.sampled_from([1, 2, 11]),
        st.sampled_from([1, 2, 12]),
        st.one_of(st.none(), st.sampled_from([0, 1, -3]), st.integers(-(10**6), 10**6)),
    ),
    max_size=40,
)


def tiles_of(events: Sequence[Sale]) -> pa.Table:
    """Return what `daily_tiles` gives for the plan, sorted as Spark would sort it."""
    found: dict[tuple[int, int, int], list[int]] = {}
    for day, household, store, quantity in events:
        found.setdefault((household, store, START + day), []).extend([] if quantity is None else [quantity])
    rows = sorted(found.items())
    columns: dict[str, Any] = {
        "household_id": pa.array([key[0] for key, _ in rows], pa.int32()),
        "store_id": pa.array([key[1] for key, _ in rows], pa.int32()),
        "_day": pa.array([key[2] for key, _ in rows], pa.int32()),
    }
    said: dict[str, Callable[[list[int]], Any]] = {
        "n": len,
        "s": sum,
        "q": lambda values: sum(value * value for value in values),
        "low": lambda values: min(values, default=None),
        "high": lambda values: max(values, default=None),
        "set": lambda values: sorted(set(values)),
    }
    for number, measure in enumerate(PLAN.measures):
        for part in measure.parts:
            if part in said:
                kind = pa.list_(pa.int64()) if part == "set" else pa.int64()
                columns[f"_{part}{number}"] = pa.array([said[part](values) for _, values in rows], kind)
    return pa.table(columns)


def events_of(events: Sequence[Sale]) -> pa.Table:
    """Return what `daily_values` gives for the plan, sorted as Spark would sort it."""
    rows = sorted(events, key=lambda sale: (sale[1], sale[2], sale[0]))
    columns: dict[str, Any] = {
        "household_id": pa.array([sale[1] for sale in rows], pa.int32()),
        "store_id": pa.array([sale[2] for sale in rows], pa.int32()),
        "_day": pa.array([START + sale[0] for sale in rows], pa.int32()),
    }
    for number in range(len(PLAN.measures)):
        columns[f"_v{number}"] = pa.array([sale[3] for sale in rows], pa.int64())
    return pa.table(columns)


def tiled(events: pa.Table, size: int, module: Any = numpy_tiles) -> list[dict[str, Any]]:
    """Return tiles made from batches of some size, each day's values sorted and once."""
    keys = (*PLAN.keys, "_day")
    found = []
    for table in numpy_windows.whole(events.to_batches(max_chunksize=size), keys, size):
        days = list(zip(*[table.column(key).to_pylist() for key in keys], strict=True))
        starts = [place for place, day in enumerate(days) if place == 0 or day != days[place - 1]]
        found += module.tiles_of(table, PLAN, np.array(starts)).to_pylist()
    for row in found:
        row.update({name: sorted(set(held)) for name, held in row.items() if name.startswith("_set")})
    return found


def computed(events: Sequence[Sale], first: int, last: int, module: Any = numpy_windows) -> dict[Any, Any]:
    tiles = tiles_of(events)
    if not tiles.num_rows:
        return {}
    rows = module.windows_of(tiles, PLAN, START + first, START + last).to_pylist()
    found = {}
    for row in rows:
        moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(row.pop("_at") + 1)
        found[(row.pop("household_id"), row.pop("store_id"), moment)] = row
    assert len(found) == len(rows)
    return found


def expected(events: Sequence[Sale], first: int, last: int) -> dict[Any, Any]:
    named = [
        {
            "household_id": household,
            "store_id": store,
            "quantity": quantity,
            "sold_at": datetime(2024, 2, 20, 12, tzinfo=timezone.utc) + timedelta(day),
        }
        for day, household, store, quantity in events
    ]
    return features_of(named, TABLE, BEGIN + timedelta(first), BEGIN + timedelta(last))


def exact(rows: dict[Any, Any]) -> dict[Any, Any]:
    return {key: {name: bits(value) for name, value in row.items()} for key, row in rows.items()}


@given(sales, st.integers(1, 7))
def test_tiles_in_arrays_are_those_of_plain_python(events: list[Sale], size: int) -> None:
    assert tiled(events_of(events), size) == tiles_of(events).to_pylist()


BIG = 2**52


@pytest.mark.parametrize(
    "values",
    [[BIG + 1], [BIG, 1], [2**26 + 1], [2**26, 2**26], [2**63 - 1] * 4, [-(2**63)], [2**26] * 5000],
    ids=["one", "two", "square", "squares", "wraps around", "least", "many squares"],
)
def test_a_total_that_is_not_exact_stops_the_computing(values: list[int]) -> None:
    with pytest.raises(InvalidInput, match="too great to be added up exactly; keep fewer decimal places"):
        tiled(events_of([(0, 1, 1, value) for value in values]), 10_000)


def test_great_values_that_cancel_each_other_are_added_up_exactly() -> None:
    only_sums = replace(TABLE, features=(FEATURES[1],))
    plan = plan_of(only_sums, SALES)
    events = events_of([(0, 1, 1, value) for value in (2**63 - 1, 2**62, -(2**63 - 1), -(2**62), 7)])

    assert numpy_tiles.tiles_of(events, plan, np.array([0])).column("_s0").to_pylist() == [7]


@given(sales, st.integers(-3, 25), st.integers(0, 12))
def test_arrays_say_what_plain_python_says(events: list[Sale], first: int, days: int) -> None:
    assert exact(computed(events, first, first + days)) == exact(expected(events, first, first + days))


@given(st.lists(st.integers(0, 60), min_size=1), st.lists(st.integers(0, 60)))
def test_looking_up_and_searching_say_the_same(places: list[int], asked: list[int]) -> None:
    ascending, others = np.array(sorted(places)), np.array(asked, dtype=np.int64)

    looked_up, searched = ranges.Before(ascending, 61).of(others), ranges.Before(ascending, 10**6).of(others)

    assert looked_up.tolist() == searched.tolist() == [sum(place < item for place in places) for item in asked]


@given(sales, st.integers(0, 22))
def test_a_day_by_itself_is_as_it_is_among_others(events: list[Sale], day: int) -> None:
    together = exact(computed(events, 0, 25))
    alone = exact(computed([event for event in events if day - 7 <= event[0] <= day], day, day))

    available = datetime(2024, 2, 20, tzinfo=timezone.utc) + timedelta(day + 1)
    assert alone == {key: row for key, row in together.items() if key[2] == available}


@given(sales, sales, st.integers(0, 20))
def test_what_happens_later_never_changes_what_was_said_before(events: list[Sale], more: list[Sale], day: int) -> None:
    later = [event for event in more if event[0] > day]

    before, after = computed(events, 0, day), computed([*events, *later], 0, day)

    assert exact({key: after[key] for key in before}) == exact(before)


@given(sales, st.integers(1, 5))
@settings(max_examples=40)
def test_no_entity_is_cut_by_a_batch(events: list[Sale], size: int) -> None:
    tiles = tiles_of(events)

    tables = list(numpy_windows.whole(tiles.to_batches(max_chunksize=size), PLAN.keys, size))

    whole = pa.concat_tables(tables) if tables else tiles
    assert whole.equals(tiles)
    entities = [{(row["household_id"], row["store_id"]) for row in table.to_pylist()} for table in tables]
    assert sum(map(len, entities)) == len(set().union(*entities)) if entities else not events


DEFECTS = {
    "a window is one day too long": (numpy_windows, "rows.place - (window - 1)", "rows.place - window"),
    "a window is one day too short": (numpy_windows, "rows.place - (window - 1)", "rows.place - (window - 2)"),
    "the row that says that nothing is left is missing": (
        numpy_windows,
        "day + plan.longest), last_day",
        "day + plan.longest - 1), last_day",
    ),
    "a day sees the next one": (numpy_windows, "self.tile + 1, self", "np.minimum(self.tile + 2, len(self.day)), self"),
    "only the first key tells entities apart": (numpy_windows, "for key in keys:", "for key in keys[:1]:"),
    "the last event is that of the newest tile": (numpy_windows, "np.maximum.accumulate(held)[", "held["),
    "values seen again count twice": (ranges, "np.minimum(self._again, self._when + window)", "self._when + window"),
    "a value is counted a day too long": (ranges, "self._when + window)", "self._when + window + 1)"),
    "values of two entities are one": (ranges, "entity[tile] * (value.max(initial=0) + 1) + value", "value"),
    "half of a range is not looked at": (ranges, "stretch[end[chosen] - length]", "stretch[begin[chosen]]"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_found(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home, sound, wrong = DEFECTS[defect]
    chance = random.Random(5)
    events = [
        (chance.randrange(20), chance.choice([1, 2, 11]), chance.choice([1, 2, 12]), chance.choice([None, 0, 1, 5, -9]))
        for _ in range(60)
    ]
    copy = broken(home, sound, wrong, monkeypatch)
    if home is ranges:
        monkeypatch.setattr(numpy_windows, "Extremes", copy.Extremes)
        monkeypatch.setattr(numpy_windows, "DifferentValues", copy.DifferentValues)

    found = computed(events, 0, 30, numpy_windows if home is ranges else copy)

    assert exact(found) != exact(expected(events, 0, 30))


TILE_DEFECTS = {
    "a value that is missing counts": ("return pa.array(self._count)", "return pa.array(self._count + 1)"),
    "a missing value is the least": ("int(_LIMITS.max)", "0"),
    "days without a value have an extreme": ("mask=self._count == 0", "mask=None"),
    "values of a day go to the next": ("np.cumsum(self._count)]", "np.cumsum(self._count) - 1]"),
    "squares are not squared": ("values * values", "values * 1"),
}


@pytest.mark.parametrize("defect", TILE_DEFECTS)
def test_a_defect_of_the_tiles_is_found(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = broken(numpy_tiles, *TILE_DEFECTS[defect], monkeypatch)
    events = [(day, 1, 1, value) for day in range(3) for value in (None, 4, 9)] + [(5, 1, 1, None)]

    assert tiled(events_of(events), 100, copy) != tiles_of(events).to_pylist()
