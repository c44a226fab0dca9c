"""Windows in arrays against plain Python, on random tiles, without Spark; and defects that the comparison finds."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from broken import broken
from feature_oracle import bits, features_of
from feature_shop import HOUSEHOLDS, SALES
from hypothesis import given, settings
from hypothesis import strategies as st

from databricks_utils.features import Feature, numpy_windows, ranges
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


@given(sales, st.integers(-3, 25), st.integers(0, 12))
def test_arrays_say_what_plain_python_says(events: list[Sale], first: int, days: int) -> None:
    assert exact(computed(events, first, first + days)) == exact(expected(events, first, first + days))


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

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numpy_windows, "TILES", size)
        tables = list(numpy_windows.whole_entities(tiles.to_batches(max_chunksize=size), PLAN.keys))

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
    "values seen again count twice": (ranges, "np.minimum(again, when + window)", "when + window"),
    "a value is counted a day too long": (ranges, "when + window)", "when + window + 1)"),
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
        monkeypatch.setattr(numpy_windows, "different_values", copy.different_values)

    found = computed(events, 0, 30, numpy_windows if home is ranges else copy)

    assert exact(found) != exact(expected(events, 0, 30))
