"""Random histories against plain Python; many cases go through one Spark job, told apart by a number."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from little_shop import order_fact
from pyspark.sql import SparkSession

from databricks_utils.medallion import timeline
from databricks_utils.medallion.scd import differences

few = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
FIRST_DAY = date(2024, 1, 1)
DAYS = 10

# City, day, gone: what is said of one customer. Days repeat, so that states meet at the same moment.
State = tuple[str | None, date, bool]
states = st.tuples(
    st.sampled_from([None, "", "Rome", "Oslo", "~", "4:Rome"]),
    st.integers(0, DAYS - 1).map(lambda days: FIRST_DAY + timedelta(days=days)),
    st.sampled_from([False, False, False, True]),
)
histories = st.lists(st.lists(states, max_size=12), min_size=40, max_size=40)
STATES = "customer_id BIGINT, city STRING, seen_on DATE, gone BOOLEAN, delivery INT"


def as_of(history: Iterable[State], day: date) -> tuple[str | None] | None:
    """Return the city that holds on a day; None where the customer is not there."""
    known = [state for state in history if state[1] <= day]
    if not known:
        return None
    newest = max(state[1] for state in known)
    at_once = [state for state in known if state[1] == newest]
    if any(gone for *_, gone in at_once):
        return None
    return (max((city for city, *_ in at_once), key=lambda city: (city is not None, city or "")),)


@few
@given(cases=histories, seed=st.integers(0, 1_000_000))
def test_every_day_has_the_state_last_said_of_it_however_the_states_arrived(
    spark: SparkSession, cases: list[list[State]], seed: int
) -> None:
    chance = random.Random(seed)
    rows = [(case, *state, chance.choice((1, 2))) for case, history in enumerate(cases) for state in history * 2]
    chance.shuffle(rows)
    received = spark.createDataFrame(rows, STATES)
    given_how = {
        "keys": ["customer_id"],
        "sequence_by": "seen_on",
        "attributes": ["city"],
        "delete_when": "gone",
        "key_column": "customer_key",
    }

    periods = timeline(received, **given_how).persist()
    early = timeline(received.where("delivery = 1"), **given_how)
    changes = differences(periods, early, ["customer_key"]).collect()
    days = [(case * DAYS + n, case, FIRST_DAY + timedelta(days=n)) for case in range(len(cases)) for n in range(DAYS)]
    orders = spark.createDataFrame(days, "order_id BIGINT, customer_id BIGINT, ordered_on DATE")
    facts = order_fact(orders, periods).collect()
    cities = {row.customer_key: row.city for row in periods.collect()}
    before = {row.customer_key: row.asDict() for row in early.collect()}

    # One version or the unknown customer for each day, and the right one.
    assert len(facts) == len(days)
    for fact in facts:
        expected = as_of(cases[fact.customer_id], fact.ordered_on)
        found = None if fact.customer_key == -1 else (cities[fact.customer_key],)
        assert found == expected, (cases[fact.customer_id], fact)
    # No period without an end is followed by another, and none is empty.
    for row in periods.collect():
        assert row.is_current == (row.effective_end_date is None)
        assert row.effective_end_date is None or row.effective_start_date < row.effective_end_date
    # What a first run stored becomes, by the differences alone, what all states together give.
    for row in changes:
        values = row.asDict()
        if values.pop("_obsolete"):
            del before[row.customer_key]
        else:
            before[row.customer_key] = values
    assert before == {row.customer_key: row.asDict() for row in periods.collect()}
    periods.unpersist()
