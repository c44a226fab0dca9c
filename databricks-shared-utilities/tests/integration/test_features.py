"""Features by plain Python, by arrays and by Spark are the same to the last bit, in whatever portions."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from feature_oracle import Event, Key, bits, features_of
from feature_shop import COLUMNS, CONTRACTS, FEATURES, HOUSEHOLDS, REGISTRY
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.delta import Namespace
from databricks_utils.errors import InputProblems, InvalidInput
from databricks_utils.features import FeatureRegistry, FeatureStore, compute_features, create_training_set

FIRST, LAST = date(2024, 2, 20), date(2024, 3, 20)
PLAN = REGISTRY.plan(HOUSEHOLDS.name)
#: Enough for tests of what is written, which cost less with few columns.
FEW = ("lines", "spend", "categories", "recency")
LABELS = "customer INT, store_id INT, at TIMESTAMP, churned BOOLEAN"
#: Text of keys that end alike when they are written one after the other.
ENTITIES = [(1, 12), (11, 2), (1, 1), (2, 1), (3, 1), (None, 1), (4, None)]


def sales(seed: int = 7, count: int = 260) -> list[dict[str, Any]]:
    """Return events with everything that is awkward: NULLs, NaN, zeros, midnight, pauses longer than any window."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        household, store = chance.choice(ENTITIES)
        day = chance.choice([0, 1, 2, 3, 5, 9, 10, 11, 25, 26, 27, 28, 29]) if household != 3 else 4
        moment = datetime(2024, 2, 20, tzinfo=timezone.utc) + timedelta(
            days=day, seconds=chance.choice([0, 1, 40_000, 86_399])
        )
        found.append(
            {
                "household_id": household,
                "store_id": store,
                "sold_at": moment,
                "loaded_at": moment + timedelta(days=chance.choice([0, 0, 0, 2])),
                "amount": chance.choice([None, Decimal("0.00"), Decimal(chance.randrange(-500, 9000)) / 100]),
                "quantity": chance.choice([None, 0, 0, 0, 0, 1, 7]),
                "weight": chance.choice([None, float("nan"), float("inf"), 0.0005, 0.1, 2.3455, 10 / 3]),
                "category": chance.choice([None, "", "wine", "fruit", "bread", "brot"]),
                "member": chance.choice([None, True, False]),
            }
        )
    return found


def frame_of(spark: SparkSession, events: Iterable[Event]) -> DataFrame:
    rows = [tuple(event[name] for name in COLUMNS) for event in events]
    return spark.createDataFrame(rows, ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items()))


def collected(rows: DataFrame) -> dict[Key, dict[str, Any]]:
    found = {}
    for row in rows.collect():
        values = row.asDict()
        moment = values.pop("available_at").replace(tzinfo=timezone.utc)
        found[(values.pop("household_id"), values.pop("store_id"), moment)] = values
    return found


def differences(found: dict[Key, dict[str, Any]], expected: dict[Key, dict[str, Any]]) -> list[str]:
    """Return what differs to the last bit, for people."""
    lines = [f"{key}: only on one side" for key in found.keys() ^ expected.keys()]
    for key in found.keys() & expected.keys():
        wrong = {name for name in expected[key] if bits(found[key].get(name, "?")) != bits(expected[key][name])}
        lines += [f"{key} {name}: {found[key].get(name)!r}, expected {expected[key][name]!r}" for name in wrong]
    return sorted(lines)


@pytest.fixture(scope="module")
def events(spark: SparkSession) -> DataFrame:
    return frame_of(spark, sales()).cache()


@pytest.fixture(scope="module")
def expected() -> dict[Key, dict[str, Any]]:
    return features_of(sales(), HOUSEHOLDS, FIRST, LAST)


@pytest.mark.parametrize("engine", ["numpy", "spark"])
def test_every_feature_equals_what_plain_python_says(
    events: DataFrame, expected: dict[Key, dict[str, Any]], engine: Any
) -> None:
    rows = compute_features(events, PLAN, first_day=FIRST, last_day=LAST, engine=engine)

    assert rows.columns == [*HOUSEHOLDS.key, *HOUSEHOLDS.columns]
    found = collected(rows)
    assert len(expected) > 100
    assert differences(found, expected) == []


def test_neither_order_nor_partitioning_of_the_events_changes_a_bit(
    spark: SparkSession, expected: dict[Key, dict[str, Any]]
) -> None:
    shuffled = sales()
    random.Random(1).shuffle(shuffled)
    events = frame_of(spark, shuffled).repartition(5, F.rand(3))

    found = collected(compute_features(events, PLAN, first_day=FIRST, last_day=LAST))

    assert differences(found, expected) == []


def test_what_was_not_known_yet_is_left_out(spark: SparkSession, events: DataFrame) -> None:
    moment = datetime(2024, 3, 1, tzinfo=timezone.utc)
    day = moment.date() - timedelta(1)

    found = collected(compute_features(events, PLAN, first_day=day, last_day=day, known_by=moment))

    known = [event for event in sales() if event["loaded_at"] < moment]
    assert differences(found, features_of(known, HOUSEHOLDS, day, day)) == []
    assert differences(found, features_of(sales(), HOUSEHOLDS, day, day)) != []


def test_a_total_that_cannot_be_exact_is_an_error_that_says_so(spark: SparkSession) -> None:
    event = {name: None for name in COLUMNS} | {"household_id": 1, "store_id": 1}
    event |= {"sold_at": datetime(2024, 3, 1, tzinfo=timezone.utc), "amount": Decimal("99999999.99")}
    rows = compute_features(frame_of(spark, [event]), PLAN, first_day=FIRST, last_day=LAST)

    with pytest.raises(Exception, match="too great to be added up exactly; keep fewer decimal places"):
        rows.collect()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"first_day": LAST, "last_day": FIRST}, "2024-03-20 is after 2024-02-20"),
        ({"engine": "pandas"}, "There is no engine 'pandas'"),
    ],
)
def test_what_cannot_be_computed_is_refused(events: DataFrame, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        compute_features(events, PLAN, **{"first_day": FIRST, "last_day": LAST, **changed})


def test_days_one_by_one_and_events_late_or_gone_leave_what_a_backfill_leaves(
    spark: SparkSession, tmp_path: Path, schemas: Mapping[str, str]
) -> None:
    table = replace(HOUSEHOLDS, features=[feature for feature in FEATURES if feature.name in FEW])
    store = FeatureStore(Namespace("spark_catalog", schemas, tmp_path), FeatureRegistry([table], CONTRACTS))
    everything = sales()
    gone = [event for event in everything if event["household_id"] == 3]
    late = [event for event in everything if event["household_id"] == 1 and event["sold_at"].day in (23, 2)]
    early = frame_of(spark, [event for event in everything if event not in late])
    true = frame_of(spark, [event for event in everything if event not in gone])
    changed = frame_of(spark, [*late, *gone])
    expected = features_of([event for event in everything if event not in gone], table, FIRST, LAST)

    first = store.write_days(spark, table.name, early, last_day=LAST - timedelta(2))
    store.write_days(spark, table.name, early, last_day=LAST - timedelta(1))
    again = store.write_days(spark, table.name, early, first_day=LAST - timedelta(3), last_day=LAST)
    incomplete = collected(store.read(spark, table.name))
    mended = store.mend(spark, table.name, true, changed, last_day=LAST)
    complete = collected(store.read(spark, table.name))

    assert store.newest_day(spark, table.name) == LAST
    assert again == sum(key[2].date() > LAST - timedelta(3) for key in incomplete) < first
    assert (
        differences(incomplete, features_of([event for event in everything if event not in late], table, FIRST, LAST))
        == []
    )
    assert 0 < mended < len(expected)
    assert differences(complete, expected) == []
    assert store.repeated_keys(spark, table.name) == 0
    assert store.mend(spark, table.name, true, changed, last_day=LAST) == 0
    moment = datetime(2024, 3, 2, 9, tzinfo=timezone.utc)
    labels = spark.createDataFrame([(1, 12, moment, True), (1, 12, moment, True), (5, 5, moment, False)], LABELS)
    examples = create_training_set(
        store, labels, ["spend_7d", "lines_1d"], timestamp="at", label="churned", on={"household_id": "customer"}
    )
    known = expected[(1, 12, datetime(2024, 3, 2, tzinfo=timezone.utc))]
    answer = (True, known["spend_7d"], known["lines_1d"])
    assert [tuple(row)[3:] for row in examples.load_df().orderBy("customer").collect()] == [
        answer,
        answer,
        (False, None, None),
    ]


def test_a_table_gains_the_columns_of_new_features(
    spark: SparkSession, tmp_path: Path, schemas: Mapping[str, str]
) -> None:
    namespace = Namespace("spark_catalog", schemas, tmp_path)
    few = replace(HOUSEHOLDS, features=HOUSEHOLDS.features[:1])
    FeatureStore(namespace, FeatureRegistry([few], CONTRACTS)).ensure(spark, few.name)

    store = FeatureStore(namespace, REGISTRY)
    store.ensure(spark, HOUSEHOLDS.name)

    assert store.read(spark, HOUSEHOLDS.name).columns == [*HOUSEHOLDS.key, *HOUSEHOLDS.columns]
    assert store.newest_day(spark, HOUSEHOLDS.name) is None


def test_a_table_that_was_never_written_is_named(
    spark: SparkSession, tmp_path: Path, schemas: Mapping[str, str]
) -> None:
    store = FeatureStore(Namespace("spark_catalog", schemas, tmp_path), REGISTRY)

    with pytest.raises(InvalidInput, match=r"gold.household_features does not exist yet"):
        store.read(spark, HOUSEHOLDS.name)


def test_a_training_set_says_everything_that_is_missing(spark: SparkSession, tmp_path: Path) -> None:
    store = FeatureStore(Namespace("spark_catalog", {"gold": "gold"}, tmp_path), REGISTRY)
    labels = spark.createDataFrame([], "customer INT, store_id INT, at TIMESTAMP, spend_7d DOUBLE")

    with pytest.raises(InputProblems) as caught:
        create_training_set(store, labels, ["spend_7d"], timestamp="att", label="churned", on={"shop": "store_id"})

    text = str(caught.value)
    assert "No feature table has the key 'shop'" in text
    assert "The labels have no column 'household_id'" in text
    assert "on={'household_id': …}" in text
    assert "The labels have no column 'att'" in text
    assert "Did you mean at?" in text
    assert "The labels have no column 'churned'" in text
    assert "The labels already have a column 'spend_7d'" in text


def test_a_feature_that_is_not_registered_is_named(spark: SparkSession, tmp_path: Path) -> None:
    store = FeatureStore(Namespace("spark_catalog", {"gold": "gold"}, tmp_path), REGISTRY)

    with pytest.raises(InputProblems, match=r"(?s)The feature 'spent_7d' is not registered.*Did you mean spend_7d"):
        create_training_set(store, spark.createDataFrame([], LABELS), ["spent_7d"], timestamp="at")
