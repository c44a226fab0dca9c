"""Type 2 history against a plain-Python replay of the same states."""

from __future__ import annotations

import math
from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from type2_oracle import Period, State, replay

from databricks_utils.medallion import timeline

FIRST = date(2024, 1, 1)
SCHEMA = "member BIGINT, name STRING, size INT, seen DATE, gone BOOLEAN"

states = st.tuples(
    st.integers(1, 5),
    st.sampled_from([None, "", "a", "b", "~", "1:a"]),
    st.sampled_from([None, 0, 1]),
    st.integers(0, 12).map(lambda days: FIRST + timedelta(days=days)),
    st.sampled_from([False, False, False, True]),
)


def computed(spark: SparkSession, received: list[State]) -> list[Period]:
    rows = timeline(
        spark.createDataFrame(received, SCHEMA),
        keys=["member"],
        sequence_by="seen",
        attributes=["name", "size"],
        delete_when="gone",
    )
    return [tuple(row)[:5] for row in rows.collect()]  # type: ignore[misc]  # rows are tuples of the five columns


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(received=st.lists(states, max_size=60), data=st.data())
def test_the_history_equals_a_replay_in_order_of_time_whatever_the_order_of_arrival(
    spark: SparkSession, received: list[State], data: st.DataObject
) -> None:
    one_for_each_moment = list({(state[0], state[3]): state for state in received}.values())
    delivered = data.draw(st.permutations(one_for_each_moment * 2))

    result = computed(spark, delivered)

    assert len(result) == len(set(result))
    assert set(result) == replay(one_for_each_moment)


NESTED = "member BIGINT, seen DATE, tags ARRAY<STRING>, prices MAP<STRING, DOUBLE>, place STRUCT<a: DOUBLE, b: STRING>"
#: Values that look alike as text, and equal ones that do not.
TAGS = ([], [None], ["null"], [""], ["a", "b"], ["a, b"], ["a", None], ["a, null"], None)
PRICES = ({}, {"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.0}, {"a": 1.0}, {"a": None}, {"a": 0.0}, {"a": -0.0}, None)
PLACES = ((0.0, "x"), (-0.0, "x"), (math.nan, "x"), (None, "x"), (0.0, None), (0.0, "null"), None)
nested = st.tuples(st.sampled_from(TAGS), st.sampled_from(PRICES), st.sampled_from(PLACES))


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
        return True
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(nested, min_size=2, max_size=6), min_size=60, max_size=60))
def test_a_change_is_a_change_of_values_not_of_their_texts(
    spark: SparkSession, histories: list[list[tuple[object, ...]]]
) -> None:
    rows = [
        (m, FIRST + timedelta(days=n), *state) for m, states in enumerate(histories) for n, state in enumerate(states)
    ]

    found = timeline(
        spark.createDataFrame(rows, NESTED), keys=["member"], sequence_by="seen", attributes=["tags", "prices", "place"]
    )

    starts = {(row.member, row.effective_start_date) for row in found.collect()}
    changed = {
        (member, FIRST + timedelta(days=day))
        for member, states in enumerate(histories)
        for day, state in enumerate(states)
        if day == 0 or not same(states[day - 1], state)
    }
    assert starts == changed


def test_of_two_states_at_one_moment_the_choice_does_not_depend_on_their_order(spark: SparkSession) -> None:
    one, other = (1, "a", 1, FIRST, False), (1, "b", 1, FIRST, False)

    assert computed(spark, [one, other]) == computed(spark, [other, one])


def test_a_deletion_wins_over_a_state_of_the_same_moment(spark: SparkSession) -> None:
    assert computed(spark, [(1, "a", 1, FIRST, False), (1, "a", 1, FIRST, True)]) == []


def test_states_without_member_or_time_are_left_out(spark: SparkSession) -> None:
    rows = spark.createDataFrame([(None, "a", 1, FIRST, False), (1, "a", 1, None, False)], SCHEMA)

    assert timeline(rows, keys=["member"], sequence_by="seen", attributes=["name"]).count() == 0
