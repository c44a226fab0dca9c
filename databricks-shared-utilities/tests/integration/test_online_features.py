"""Online as offline: what is looked up has the bits that a training set has for the same moment."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from feature_oracle import bits
from feature_shop import COLUMNS, CONTRACTS, HOUSEHOLDS, REGISTRY
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.errors import InvalidInput
from databricks_utils.features import (
    CorruptStore,
    FeatureRegistry,
    OnlineStore,
    OtherDefinitions,
    as_of,
    compute_features,
    publish,
)

NAME = HOUSEHOLDS.name
MIDNIGHT = datetime(2024, 3, 8, tzinfo=timezone.utc)
#: The second household's last day is one too old at some of the moments below, the third never came.
MOMENTS = [
    MIDNIGHT + timedelta(days=days, microseconds=part) for days in (0, 2, 3) for part in (0, -1) if days + part >= 0
]
KEYS = [(1, 12), (11, 2), (3, 3)]


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    """Return the feature rows of two households, one of which stopped coming."""
    sales = [
        (1, 12, date(2024, 3, 1), "4.99", "wine"),
        (1, 12, date(2024, 3, 7), "0.01", None),
        (11, 2, date(2024, 2, 27), "7.10", "fruit"),
    ]
    given = [
        {name: None for name in COLUMNS}
        | {"household_id": household, "store_id": store, "amount": Decimal(amount), "category": category}
        | {"sold_at": datetime(day.year, day.month, day.day, 9, tzinfo=timezone.utc)}
        for household, store, day, amount, category in sales
    ]
    types = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    events = spark.createDataFrame([tuple(event[name] for name in COLUMNS) for event in given], types)
    plan = REGISTRY.plan(NAME)
    return compute_features(events, plan, first_day=date(2024, 2, 27), last_day=date(2024, 3, 7)).cache()


@pytest.fixture(scope="module")
def store_file(rows: DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("online") / "features.sqlite"
    assert publish(path, REGISTRY, NAME, rows) == 2
    return path


def exact(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: bits(value) for name, value in row.items()}


def test_what_is_looked_up_is_what_a_training_set_has(spark: SparkSession, rows: DataFrame, store_file: Path) -> None:
    asked = [(*key, number) for key in KEYS for number in range(len(MOMENTS))]
    labels = spark.createDataFrame(asked, "household_id INT, store_id INT, number INT")
    moments = F.array(*[F.timestamp_micros(F.lit(int(moment.timestamp() * 1e6))) for moment in MOMENTS])
    columns = HOUSEHOLDS.columns
    offline = as_of(
        labels.withColumn("at", moments[F.col("number")]),
        rows,
        timestamp="at",
        entity={name: name for name in HOUSEHOLDS.entity},
        columns=columns,
        ttl_days=HOUSEHOLDS.ttl_days,
    ).collect()

    with OnlineStore(store_file, REGISTRY) as store:
        online = {tuple(row[:3]): store.look_up(NAME, row[:2], at=MOMENTS[row[2]]) for row in asked}

    assert {tuple(row)[:3]: exact({name: row[name] for name in columns}) for row in offline} == {
        key: exact(row) for key, row in online.items()
    }
    assert len({str(row) for row in online.values()}) >= 3


def test_an_older_row_changes_nothing_and_a_newer_one_does(rows: DataFrame, store_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "features.sqlite"
    publish(path, REGISTRY, NAME, rows.where("available_at <= TIMESTAMP '2024-03-02 00:00:00Z'"))
    with OnlineStore(path, REGISTRY) as store:
        before = store.look_up(NAME, (1, 12), at=datetime(2024, 3, 2, tzinfo=timezone.utc))
    publish(path, REGISTRY, NAME, rows)
    publish(path, REGISTRY, NAME, rows.where("available_at <= TIMESTAMP '2024-03-02 00:00:00Z'"))

    with OnlineStore(path, REGISTRY) as store, OnlineStore(store_file, REGISTRY) as whole:
        after = store.look_up(NAME, (1, 12), at=MIDNIGHT)
        assert after == whole.look_up(NAME, (1, 12), at=MIDNIGHT) != before


def test_a_store_of_other_definitions_is_refused(store_file: Path) -> None:
    changed = replace(HOUSEHOLDS, version=2)

    with (
        OnlineStore(store_file, FeatureRegistry([changed], CONTRACTS)) as store,
        pytest.raises(InvalidInput, match=r"(?s)was published from other definitions.*Publish it again"),
    ):
        store.look_up(NAME, (1, 12))


@pytest.mark.parametrize(
    ("entity", "at", "message"),
    [
        (("1", 12), MIDNIGHT, r"is no key of gold.household_features(?s:.*)household_id: int, store_id: int"),
        ((1,), MIDNIGHT, "is no key of"),
        ((1, 12), MIDNIGHT - timedelta(1), "The store is newer than"),
        ((1, 12), MIDNIGHT.replace(tzinfo=None), "names no instant"),
        ((3, 3), MIDNIGHT.replace(tzinfo=None), "names no instant"),
        ((1, 12), MIDNIGHT.date(), "names no instant"),
        ((1, 12), MIDNIGHT.isoformat(), "names no instant"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(store_file: Path, entity: Any, at: Any, message: str) -> None:
    with OnlineStore(store_file, REGISTRY) as store, pytest.raises(InvalidInput, match=message):
        store.look_up(NAME, entity, at=at)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"(?s)There is no online store.*none.sqlite.*Publish"):
        OnlineStore(tmp_path / "none.sqlite", REGISTRY)


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "features.sqlite"
    path.write_bytes(b"not a database, but long enough to be looked at as one" * 100)

    with pytest.raises(CorruptStore, match=r"(?s)cannot be read.*features.sqlite.*publish again"):
        OnlineStore(path, REGISTRY)


def test_a_row_that_was_damaged_is_not_handed_out(store_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "features.sqlite"
    path.write_bytes(store_file.read_bytes())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE entities SET features = zeroblob(length(features))")

    with OnlineStore(path, REGISTRY) as store, pytest.raises(CorruptStore, match=r"entity \[1, 12\].*checksum"):
        store.look_up(NAME, (1, 12), at=MIDNIGHT)


@pytest.mark.parametrize(
    ("entity", "days", "known", "expired", "available_at"),
    [
        ((1, 12), 0, True, False, MIDNIGHT),
        ((1, 12), 40, False, True, MIDNIGHT),
        ((3, 3), 0, False, False, None),
    ],
    ids=["fresh", "too old", "never came"],
)
def test_a_row_says_since_when_it_is_known_and_a_missing_one_that_it_is_not(
    store_file: Path, entity: tuple[int, int], days: int, known: bool, expired: bool, available_at: datetime | None
) -> None:
    """All-NULL features of a stranger look like those of somebody who bought nothing; only the row tells them apart."""
    with OnlineStore(store_file, REGISTRY) as store:
        found = store.find(NAME, entity, at=MIDNIGHT + timedelta(days))

        assert (found.known, found.expired, found.available_at) == (known, expired, available_at)
        assert found.values == store.look_up(NAME, entity, at=MIDNIGHT + timedelta(days))
        assert known == any(value is not None for value in found.values.values())


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwritten(path: Path) -> None:
    path.write_bytes(b"no database" * 2000)


@pytest.mark.parametrize("spoil", [emptied, halved, overwritten, Path.unlink], ids=lambda spoil: spoil.__name__)
def test_a_store_that_is_cut_or_gone_does_not_pass_its_check(
    store_file: Path, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    """An open file can be read on after it was deleted, so that a look-up alone would find nothing wrong."""
    path = tmp_path / "features.sqlite"
    path.write_bytes(store_file.read_bytes())
    with OnlineStore(path, REGISTRY) as store:
        store.look_up(NAME, (1, 12), at=MIDNIGHT)
        store.check()

        spoil(path)

        with pytest.raises(CorruptStore, match=r"(?s)features\.sqlite.*publish again"):
            store.check()


def test_a_store_that_was_deleted_and_published_anew_is_followed(
    rows: DataFrame, store_file: Path, tmp_path: Path
) -> None:
    """A service that keeps the deleted file open would answer from it for ever."""
    path = tmp_path / "features.sqlite"
    publish(path, REGISTRY, NAME, rows.where("available_at <= TIMESTAMP '2024-03-02 00:00:00Z'"))
    with OnlineStore(path, REGISTRY) as store:
        before = store.look_up(NAME, (1, 12), at=MIDNIGHT)
        path.unlink()
        with pytest.raises(CorruptStore, match=r"features\.sqlite"):
            store.look_up(NAME, (1, 12), at=MIDNIGHT)
        path.write_bytes(store_file.read_bytes())

        after = store.find(NAME, (1, 12), at=MIDNIGHT)

        store.check()
        assert after.values != before
        assert after.available_at == MIDNIGHT


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [a_folder, emptied, overwritten], ids=lambda spoil: spoil.__name__)
def test_after_a_file_that_could_not_be_opened_nothing_is_answered_from_the_one_before_it(
    store_file: Path, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    path = tmp_path / "features.sqlite"
    path.write_bytes(store_file.read_bytes())
    with OnlineStore(path, REGISTRY) as store:
        path.rename(tmp_path / "before.sqlite")
        path.touch()
        spoil(path)

        for _ in range(2):
            with pytest.raises(CorruptStore, match=r"features\.sqlite"):
                store.look_up(NAME, (1, 12), at=MIDNIGHT)


def test_a_store_that_lacks_a_table_does_not_pass_its_check(store_file: Path) -> None:
    """Its look-ups would all be refused, so that whoever asks for its health must hear it."""
    other = replace(HOUSEHOLDS, name="gold.store_features", entity=("store_id",))

    with (
        OnlineStore(store_file, FeatureRegistry([HOUSEHOLDS, other], CONTRACTS)) as store,
        pytest.raises(OtherDefinitions, match=r"gold\.store_features was never published"),
    ):
        store.check()


def test_look_ups_go_on_while_many_rows_are_published(
    rows: DataFrame, store_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a transaction that spills into the file the lock would hold until Spark has given the last row."""
    path, found = tmp_path / "features.sqlite", []
    path.write_bytes(store_file.read_bytes())

    def many(published: DataFrame) -> Iterator[list[dict[str, Any]]]:
        row = published.first()
        assert row is not None
        yield [row.asDict() | {"household_id": number} for number in range(100, 20_000)]
        with OnlineStore(path, REGISTRY) as store:
            found.append(store.find(NAME, (1, 12), at=MIDNIGHT).known)

    monkeypatch.setattr("databricks_utils.features.online._portions", many)

    assert publish(path, REGISTRY, NAME, rows, everything=True) == 19_900
    assert found == [True]
    with OnlineStore(path, REGISTRY) as store:
        assert not store.find(NAME, (1, 12), at=MIDNIGHT).known


def test_a_store_that_is_being_written_is_not_said_to_be_damaged(
    store_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "features.sqlite"
    path.write_bytes(store_file.read_bytes())
    connected = partial(sqlite3.connect, timeout=0)
    monkeypatch.setattr("databricks_utils.features.online.sqlite3.connect", connected)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer, OnlineStore(path, REGISTRY) as store:
        writer.execute("BEGIN EXCLUSIVE")

        with pytest.raises(CorruptStore, match=r"(?s)is being written.*try again") as caught:
            store.look_up(NAME, (1, 12), at=MIDNIGHT)

    assert "Delete" not in str(caught.value)
