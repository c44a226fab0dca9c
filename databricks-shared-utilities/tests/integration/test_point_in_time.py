"""Labels get what could be known at their moment: against plain Python, and with defects that must be found."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import reduce
from typing import Any

import pytest
from broken import broken
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.features import as_of, point_in_time

BEGIN = datetime(2024, 3, 1, tzinfo=timezone.utc)
TTL = 3
LABELS = "customer INT, shop INT, at TIMESTAMP, churned BOOLEAN"
ROWS = "household_id INT, store_id INT, available_at TIMESTAMP, known INT, a DOUBLE, b BIGINT"
ENTITY = {"household_id": "customer", "store_id": "shop"}
#: Written one after the other, the first two are the same text.
KEYS = [(1, 12), (11, 2), (1, 2), (None, 2), (7, None)]
Row = tuple[Any, ...]


def rows_given() -> list[Row]:
    """Return daily rows with gaps, NULLs, and two for one moment of which `known` decides."""
    chance = random.Random(11)
    found: list[Row] = []
    for household, store in KEYS:
        for day in sorted(chance.sample(range(20), 11)):
            at = BEGIN + timedelta(day)
            for known in range(chance.choice([1, 1, 2])):
                value = chance.choice([None, 0.1 * chance.randrange(100)])
                found.append((household, store, at, known, value, len(found)))
    chance.shuffle(found)
    return found


def labels_given() -> list[Row]:
    """Return labels at, just before and just after the moments of rows, some of them equal, some without a key."""
    chance = random.Random(12)
    found: list[Row] = []
    for _ in range(120):
        household, store = chance.choice([*KEYS, (99, 1)])
        moment = BEGIN + timedelta(chance.randrange(24)) + timedelta(microseconds=chance.choice([-1, 0, 0, 1]))
        found.append((household, store, chance.choice([moment] * 9 + [None]), chance.choice([True, False])))
    return [*found, *found[:10]]


def oracle(labels: Sequence[Row], rows: Sequence[Row], ttl: timedelta | None) -> list[Row]:
    """Look at every row for every label."""
    answers: list[Row] = []
    for household, store, at, churned in labels:
        best: Row | None = None
        for row in rows:
            same = None not in row[:2] and row[:2] == (household, store)
            if same and at is not None and row[2] <= at and (best is None or row[2:4] > best[2:4]):
                best = row
        if best is None or (ttl is not None and at - best[2] >= ttl):
            answers.append((household, store, at, churned, None, None))
        else:
            answers.append((household, store, at, churned, *best[4:]))
    return answers


def collected(frame: DataFrame) -> list[Row]:
    def value(item: Any) -> Any:
        return item.replace(tzinfo=timezone.utc) if isinstance(item, datetime) else item

    return [tuple(map(value, row)) for row in frame.collect()]


Join = Callable[..., DataFrame]
DEFECTS = {
    "a row of the label's own moment does not count": ("_FEATURE, _LABEL = 0, 1", "_FEATURE, _LABEL = 1, 0"),
    "a row just too old counts": ("age < ttl_days", "age <= ttl_days"),
    "no row is ever too old": ("F.lit(True) if ttl_days is None else", "F.lit(True) if True else"),
    "of two rows of one moment the other counts": ('"_sequence", "_tie")', 'F.desc("_sequence"), "_tie")'),
    "labels without a row are dropped": (
        '.where(f"_kind = {_LABEL}")',
        '.where(f"_kind = {_LABEL} AND _row IS NOT NULL")',
    ),
    "equal labels become one": ("    fresh = ", "    joined = joined.dropDuplicates(['_label'])\n    fresh = "),
    "a later row counts": ("Window.currentRow)", "1)"),
    "only the first key tells entities apart": ("Window.partitionBy(*keys)", "Window.partitionBy(keys[0])"),
    "a key that is NULL finds rows": ("rows.where(known & ", "rows.where("),
    "an older row takes the place of a NULL": (
        'F.last("_row", ignorenulls=True).over(until_here)',
        'F.struct(*[F.last(F.col("_row").getField(name), True).over(until_here).alias(name) '
        "for name in [AVAILABLE_AT, *columns]])",
    ),
}


@pytest.fixture(scope="module")
def answers(spark: SparkSession) -> Mapping[str, Counter[Row]]:
    """Return what the sound join and each defective one answer; all of them in one job."""
    labels = spark.createDataFrame(labels_given(), LABELS)
    rows = spark.createDataFrame(rows_given(), ROWS)
    later = rows.where(F.col("available_at") > F.lit(BEGIN + timedelta(10))).withColumn("a", F.lit(-1.0))
    earlier = rows.where(F.col("available_at") <= F.lit(BEGIN + timedelta(10)))
    common = {"timestamp": "at", "entity": ENTITY, "columns": ["a", "b"], "sequence_by": "known"}
    frames = {
        "sound": as_of(labels, rows, ttl_days=TTL, **common),
        "for ever": as_of(labels, rows, **common),
        "other future": as_of(labels, earlier.unionByName(later), ttl_days=TTL, **common),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, (sound, wrong) in DEFECTS.items():
            join: Join = broken(point_in_time, sound, wrong, patch).as_of
            frames[name] = join(labels, rows, ttl_days=TTL, **common)
        named = [frame.withColumn("_join", F.lit(name)) for name, frame in frames.items()]
        found: dict[str, Counter[Row]] = {name: Counter() for name in frames}
        for row in collected(reduce(DataFrame.unionByName, named)):
            found[row[-1]][row[:-1]] += 1
    return found


def test_every_label_gets_what_plain_python_finds_and_none_is_lost(answers: Mapping[str, Counter[Row]]) -> None:
    expected = Counter(oracle(labels_given(), rows_given(), timedelta(TTL)))

    assert answers["sound"] == expected
    assert answers["sound"].total() == len(labels_given())
    assert len({row[5] for row in expected}) > 20


def test_without_an_age_limit_a_row_counts_for_ever(answers: Mapping[str, Counter[Row]]) -> None:
    assert answers["for ever"] == Counter(oracle(labels_given(), rows_given(), None))


def test_what_becomes_known_later_changes_nothing(answers: Mapping[str, Counter[Row]]) -> None:
    def past(counted: Counter[Row]) -> Counter[Row]:
        known = [row for row in counted.elements() if row[2] is None or row[2] <= BEGIN + timedelta(10)]
        return Counter(known)

    assert past(answers["other future"]) == past(answers["sound"])
    assert answers["other future"] != answers["sound"]


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_found(answers: Mapping[str, Counter[Row]], defect: str) -> None:
    assert answers[defect] != answers["sound"]
