"""Random histories through whole runs: what is stored of a type 2 dimension after each delivery, against a replay."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from little_shop import SHOP, closed, land, landing, opened, succeeded
from pyspark.sql import SparkSession
from type2_oracle import State, replay

from databricks_utils.medallion import Lakehouse, Pipeline, run_pipeline

OF_CUSTOMERS = ("bronze.customers", "silver.customers", "gold.dim_customer")
HISTORY = Pipeline("history", *(node for node in SHOP.nodes if node.table in OF_CUSTOMERS))
FIRST_DAY, DAYS, CUSTOMERS, DELIVERIES = date(2024, 1, 1), 12, 60, 2
#: Of the first delivery that every shop lands.
LANDED: tuple[State, ...] = (
    (10, "Rome", None, date(2024, 1, 1), False),
    (10, "Oslo", None, date(2024, 3, 1), False),
)


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, tmp_path)
    yield lakehouse
    closed(lakehouse)


def delivered(chance: random.Random) -> list[State]:
    """Draw states of days in any order, at most one for a customer and day: within a file nothing orders two."""
    by_moment: dict[tuple[int, date], State] = {}
    for _ in range(CUSTOMERS * 4):
        customer, day = 1000 + chance.randrange(CUSTOMERS), FIRST_DAY + timedelta(days=chance.randrange(DAYS))
        city = chance.choice((None, "Rome", "Oslo", "Kyiv", "Bonn"))
        by_moment[customer, day] = (customer, city, None, day, chance.random() < 0.2)
    states = list(by_moment.values())
    chance.shuffle(states)
    return states


def file_of(states: list[State]) -> str:
    lines = [
        json.dumps({"customer_id": customer, "seen_on": day.isoformat(), "city": city, "gone": gone})
        for customer, city, _, day, gone in states
    ]
    return "\n".join(lines) + "\n"


def stored(shop: Lakehouse) -> set[tuple[object, ...]]:
    known = shop.read("gold.dim_customer").where("customer_key <> -1").drop("_processing_timestamp")
    rows = [tuple(row)[1:] for row in known.collect()]
    assert len(rows) == len(set(rows))
    return set(rows)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.matrix) for seed in range(2, 7))])
def test_after_each_delivery_the_stored_history_is_that_of_all_states_so_far(shop: Lakehouse, seed: int) -> None:
    chance, received = random.Random(seed), [*LANDED]
    deliveries = [delivered(chance) for _ in range(DELIVERIES)]
    # The states of an earlier file once more: they were received last now, and count again where a later one differed.
    deliveries.append(list(deliveries[0]))

    for number, states in enumerate(deliveries):
        land(landing(shop), {f"customers/{seed}-{number}.jsonl": file_of(states)})
        succeeded(run_pipeline(shop, HISTORY))

        received += states
        wanted = {(customer, city, start, end, end is None) for customer, city, _, start, end in replay(received)}
        assert stored(shop) == wanted
    # Nothing new is delivered: nothing may move.
    before = shop.version("gold.dim_customer")
    succeeded(run_pipeline(shop, HISTORY))
    assert shop.version("gold.dim_customer") == before
