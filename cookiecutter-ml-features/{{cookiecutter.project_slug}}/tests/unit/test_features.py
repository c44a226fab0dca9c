from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from databricks_utils.contracts import Contract, struct_type
from databricks_utils.errors import InputProblems
from databricks_utils.features import Feature, FeatureRegistry, FeatureTable, compute_features
from pyspark.sql import DataFrame, SparkSession

from {{ cookiecutter.package_name }}.features.registry import COLUMNS, TABLES
from {{ cookiecutter.package_name }}.features.shopping import DEPARTMENTS, SHOPPING

from oracle import features_on, noon

DAY = date(2017, 6, 30)
ONE = timedelta(1)
HOUSEHOLDS = (1, 11, 12, 112)


def purchases(seed: int, days: int = 100) -> list[dict[str, Any]]:
    """Return lines of a few households up to DAY, some with the same values, some on the edges of days."""
    draw = random.Random(seed)
    return [
        {
            "basket_id": draw.randrange(40),
            "product_id": draw.randrange(9),
            "household_id": draw.choice(HOUSEHOLDS),
            "store_id": draw.randrange(3),
            "sales_value": Decimal(draw.randrange(0, 900)) / 100,
            "retail_discount": Decimal(draw.randrange(0, 90)) / 100,
            "coupon_discount": Decimal(draw.choice([0, 0, 0, 100])) / 100,
            "transaction_timestamp": noon(DAY - timedelta(draw.randrange(days)), draw.choice([-12, 0, 11])),
            "department": draw.choice([*DEPARTMENTS, "UNKNOWN"]),
            "brand": draw.choice(["National", "Private"]),
        }
        for _ in range(60)
    ]


def framed(spark: SparkSession, contract: Contract, events: list[dict[str, Any]]) -> DataFrame:
    names = list(events[0])
    fields = [item for item in struct_type(contract) if item.name in names]
    schema = ", ".join(f"`{item.name}` {item.dataType.simpleString()}" for item in fields)
    return spark.createDataFrame([tuple(event[item.name] for item in fields) for event in events], schema)


def computed(
    spark: SparkSession, registry: FeatureRegistry, table: FeatureTable, events: list[dict[str, Any]], day: date
) -> dict[int, dict[str, Any]]:
    """Return the rows of a day by household."""
    frame = framed(spark, registry.source(table), events)
    rows = compute_features(frame, registry.plan(table.name), first_day=day, last_day=day).collect()
    found = {row.household_id: {name: row[name] for name in table.columns} for row in rows}
    # The row that says that nothing is left belongs to households whose last event has just left every window.
    gone = {key for key, values in found.items() if not values.get("lines_90d", values.get("campaigns_90d"))}
    return {key: values for key, values in found.items() if key not in gone}


def differing(left: dict[int, dict[str, Any]], right: dict[int, dict[str, Any]]) -> list[str]:
    """Return the features that differ by more than the last digits of a DOUBLE."""
    found = [f"households {sorted(left.keys() ^ right.keys())}"] if left.keys() != right.keys() else []
    for household in left.keys() & right.keys():
        for name, value in left[household].items():
            other = right[household][name]
            same = value == other if None in (value, other) else math.isclose(value, other, abs_tol=1e-9, rel_tol=1e-9)
            if not same:
                found.append(f"{name} of {household}: {value} and {other}")
    return found


def test_there_are_120_features_with_names_of_their_own() -> None:
    assert len(COLUMNS) == len(set(COLUMNS)) == 120


def test_every_feature_is_described_and_every_table_has_an_owner(registry: FeatureRegistry) -> None:
    assert [feature.name for table in registry.tables for feature in table.features if not feature.description] == []
    assert [table.name for table in registry.tables if not table.owner or table.ttl_days is None] == []


def test_a_feature_that_nobody_describes_or_that_is_there_twice_is_refused(registry: FeatureRegistry) -> None:
    wrong = (Feature("spend", "sum", of="sales_value", windows=(7,)), Feature("x", "sum", of="sales_valu"))
    tables = [replace(SHOPPING, features=(*SHOPPING.features, *wrong)), *TABLES[1:]]

    with pytest.raises(InputProblems) as caught:
        FeatureRegistry(tables, registry.contracts)

    text = str(caught.value)
    assert "spend_7d" in text
    assert "not documented" in text
    assert "Did you mean sales_value?" in text


@pytest.mark.parametrize("seed", [1, 2])
def test_features_are_those_of_the_plainest_computation(
    seed: int, spark: SparkSession, registry: FeatureRegistry
) -> None:
    events = purchases(seed)

    assert differing(computed(spark, registry, SHOPPING, events, DAY), features_on(events, SHOPPING, DAY)) == []


def test_campaign_features_are_those_of_the_plainest_computation(
    spark: SparkSession, registry: FeatureRegistry
) -> None:
    draw, table = random.Random(3), TABLES[1]
    events = [
        {
            "campaign_id": number,
            "household_id": draw.choice(HOUSEHOLDS),
            "campaign_type": draw.choice(["Type A", "Type B", "Type C"]),
            "start_date": DAY - timedelta(draw.randrange(90)),
            "duration_days": draw.choice([31, 47, 60]),
        }
        for number in range(30)
    ]

    assert differing(computed(spark, registry, table, events, DAY), features_on(events, table, DAY)) == []


def test_what_happens_after_a_day_never_changes_its_row(spark: SparkSession, registry: FeatureRegistry) -> None:
    events = purchases(4)
    last = datetime(DAY.year, DAY.month, DAY.day, 23, 59, 59, tzinfo=timezone.utc)
    future = [{**event, "transaction_timestamp": last + timedelta(seconds=1 + n)} for n, event in enumerate(events)]

    assert computed(spark, registry, SHOPPING, events + future, DAY) == computed(spark, registry, SHOPPING, events, DAY)


@pytest.mark.parametrize(
    "bug",
    ["a window one day too long", "a day that begins one day early", "departments mixed up", "households mixed up"],
)
def test_the_comparison_finds_a_seeded_bug(bug: str, spark: SparkSession, registry: FeatureRegistry) -> None:
    events, table, day = purchases(5), SHOPPING, DAY
    if bug == "a window one day too long":
        longer = [replace(item, windows=tuple(w + 1 for w in item.windows)) for item in table.features]
        table = replace(table, features=tuple(longer))
    if bug == "a day that begins one day early":
        day = DAY - ONE
    broken = [dict(event) for event in events]
    for event in broken:
        if bug == "departments mixed up" and event["department"] == "MEAT":
            event["department"] = "MEAT-PCKGD"
        if bug == "households mixed up" and event["household_id"] == 112:
            event["household_id"] = 12

    wrong = features_on(broken, table, day)
    named = {key: dict(zip(SHOPPING.columns, row.values(), strict=True)) for key, row in wrong.items()}

    assert differing(computed(spark, registry, SHOPPING, events, DAY), named) != []
