"""Features follow their source when it is made again, restored or corrected, and their definitions when they change."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from little_shop import closed, opened
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from databricks_utils.contracts import Column as ContractColumn
from databricks_utils.contracts import Contract, create_table_sql
from databricks_utils.delta import TABLE_PROPERTIES, create_table, set_table_property, table_properties
from databricks_utils.errors import InvalidInput
from databricks_utils.features import (
    Events,
    Feature,
    FeatureRegistry,
    FeatureStore,
    FeatureTable,
    OnlineStore,
    OtherDefinitions,
    create_training_set,
    publish,
    refresh,
    seen_version,
)
from databricks_utils.features import store as store_module
from databricks_utils.features.ddl import DEFINED
from databricks_utils.medallion import Lakehouse

SOURCE, NAME, LAST = "silver.visits", "gold.guests", date(2024, 3, 5)
VISITS = Contract(
    layer="silver",
    table="visits",
    version="1.0.0",
    status="active",
    description="One row for each visit.",
    owner="shop",
    key=("visit_id",),
    columns=tuple(
        ContractColumn(name, kind, description=f"The {name}.")
        for name, kind in (("visit_id", "BIGINT"), ("guest", "BIGINT"), ("on_day", "DATE"), ("room", "STRING"))
    ),
)
ROOMS = Feature("visits", "count", where={"room": ["blue", "green"]}, windows=(3,), description="Visits.")
GUESTS = FeatureTable(
    NAME,
    source=Events(SOURCE, timestamp="on_day"),
    entity=("guest",),
    features=(ROOMS,),
    description="Who comes.",
    owner="shop",
)
#: Number, guest, day of March, room.
ROWS = [(1, 7, 1, "blue"), (2, 7, 3, "green"), (3, 8, 3, "red"), (4, 8, 4, "blue")]
OTHERS = [(1, 7, 2, "blue"), (9, 9, 3, "green")]


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, tmp_path)
    yield replace(lakehouse, contracts={SOURCE: VISITS})
    closed(lakehouse)


def make(shop: Lakehouse, rows: list[tuple[int, int, int, str]], versions: int = 0) -> None:
    """Make the source with rows, and let it have at least so many versions."""
    create_table(
        shop.spark, shop.namespace, SOURCE, create_table_sql(VISITS, shop.identifier(SOURCE), TABLE_PROPERTIES)
    )
    add(shop, rows)
    while shop.version(SOURCE) < versions:
        set_table_property(shop.spark, shop.identifier(SOURCE), "note", str(shop.version(SOURCE)))


def add(shop: Lakehouse, rows: list[tuple[int, int, int, str]]) -> None:
    given = [(number, guest, date(2024, 3, day), room) for number, guest, day, room in rows]
    frame = shop.spark.createDataFrame(given, "visit_id BIGINT, guest BIGINT, on_day DATE, room STRING")
    frame.writeTo(shop.identifier(SOURCE)).append()


def drop(shop: Lakehouse, table: str) -> int:
    version, folder = shop.version(table), shop.folder(table)
    assert folder is not None
    shop.spark.sql(f"DROP TABLE {shop.identifier(table)}")
    shutil.rmtree(folder, ignore_errors=True)
    return version


def store_of(shop: Lakehouse, table: FeatureTable = GUESTS) -> FeatureStore:
    return FeatureStore(shop.namespace, FeatureRegistry([table], shop.contracts))


def redefined(**changed: Any) -> FeatureTable:
    return replace(GUESTS, features=[replace(ROOMS, **changed)])


def held(shop: Lakehouse, table: FeatureTable = GUESTS) -> set[tuple[int, str, int]]:
    """Return guest, moment and value of every row of the feature table."""
    rows = store_of(shop, table).read(shop.spark, NAME)
    return {
        (row.guest, f"{row.at}", row.visits_3d) for row in rows.withColumn("at", F.to_date("available_at")).collect()
    }


def expected(rows: list[tuple[int, int, int, str]], rooms: tuple[str, ...] = ("blue", "green")) -> set[Any]:
    """Say with plain Python what the feature table holds when everything is computed at once."""
    found, begin = set(), min(day for _, _, day, _ in rows)
    for guest in {guest for _, guest, _, _ in rows}:
        for day in range(begin, LAST.day + 1):
            own = [(on, room) for _, who, on, room in rows if who == guest and day - 3 <= on <= day]
            if own:
                count = sum(on > day - 3 and room in rooms for on, room in own)
                found.add((guest, f"2024-03-{day + 1:02}", count))
    return found


def test_a_source_made_again_is_read_from_its_beginning_however_many_versions_it_has(
    shop: Lakehouse, caplog: pytest.LogCaptureFixture
) -> None:
    make(shop, ROWS)
    refresh(shop, store_of(shop), NAME, LAST)
    assert held(shop) == expected(ROWS)
    for ahead in (-1, 0, 2):
        version, rows = drop(shop, SOURCE), OTHERS if ahead else ROWS
        make(shop, rows, version + ahead)

        done = refresh(shop, store_of(shop), NAME, LAST)

        assert held(shop) == expected(rows), ahead
        assert done.again == "silver.visits was made again"
    assert sum("all days are computed again" in record.getMessage() for record in caplog.records) == 3
    assert refresh(shop, store_of(shop), NAME, LAST).again == ""


def test_a_source_with_fewer_versions_than_were_seen_is_read_again_even_where_nobody_noted_which_it_was(
    shop: Lakehouse,
) -> None:
    make(shop, ROWS, 6)
    refresh(shop, store_of(shop), NAME, LAST)
    # What an earlier version of the library noted.
    shop.spark.sql(f"ALTER TABLE {shop.identifier(NAME)} UNSET TBLPROPERTIES ('features.source_id_seen')")
    drop(shop, SOURCE)
    make(shop, OTHERS)

    assert refresh(shop, store_of(shop), NAME, LAST).again == "silver.visits has version 1, and version 6 was seen"
    assert held(shop) == expected(OTHERS)


def test_a_feature_table_made_again_is_filled_from_all_of_its_source(shop: Lakehouse) -> None:
    make(shop, ROWS)
    refresh(shop, store_of(shop), NAME, LAST)
    drop(shop, NAME)
    # What a process leaves that dies between making the table and writing it.
    store_of(shop).ensure(shop.spark, NAME)

    refresh(shop, store_of(shop), NAME, LAST)

    assert held(shop) == expected(ROWS)


def test_a_copy_of_a_feature_table_is_not_taken_for_the_table_that_has_seen_the_source(shop: Lakehouse) -> None:
    make(shop, ROWS)
    refresh(shop, store_of(shop), NAME, LAST)
    properties = table_properties(shop.spark, shop.identifier(NAME))
    drop(shop, NAME)
    store_of(shop).write_days(shop.spark, NAME, shop.read(SOURCE).where("guest = 7"), last_day=LAST)
    for key in ("features.source_version_seen", "features.source_id_seen", "features.table_id_seen"):
        set_table_property(shop.spark, shop.identifier(NAME), key, properties[key])

    assert refresh(shop, store_of(shop), NAME, LAST).again == "the feature table was made again"
    assert held(shop) == expected(ROWS)


def test_what_a_source_loses_corrects_or_gets_back_is_mended(shop: Lakehouse) -> None:
    make(shop, ROWS)
    refresh(shop, store_of(shop), NAME, LAST)
    whole = shop.version(SOURCE)
    for statement, rows in (
        ("DELETE FROM {0} WHERE visit_id = 1", ROWS[1:]),
        ("UPDATE {0} SET guest = 9 WHERE visit_id = 4", [*ROWS[1:3], (4, 9, 4, "blue")]),
        (f"RESTORE TABLE {{0}} TO VERSION AS OF {whole}", ROWS),
    ):
        shop.spark.sql(statement.format(shop.identifier(SOURCE)))

        done = refresh(shop, store_of(shop), NAME, LAST)

        assert done.again == ""
        assert held(shop) == expected(rows) | {row for row in held(shop) if row[1] == "2024-03-02" and row[2] == 0}
        assert seen_version(shop, NAME) == shop.version(SOURCE)


def test_a_feature_table_restored_to_an_older_state_is_brought_up_to_date(shop: Lakehouse) -> None:
    make(shop, ROWS)
    refresh(shop, store_of(shop), NAME, LAST)
    before = shop.version(NAME)
    add(shop, [(5, 7, 5, "blue")])
    refresh(shop, store_of(shop), NAME, LAST)
    shop.spark.sql(f"RESTORE TABLE {shop.identifier(NAME)} TO VERSION AS OF {before}")

    refresh(shop, store_of(shop), NAME, LAST)

    assert held(shop) == expected([*ROWS, (5, 7, 5, "blue")])


CHANGES = {
    "another condition": redefined(where={"room": "red"}),
    "a version that somebody raised": replace(GUESTS, version=2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_feature_that_means_something_else_is_refused_at_every_step_until_all_days_are_computed_again(
    shop: Lakehouse, change: str, tmp_path: Path
) -> None:
    spark, table = shop.spark, CHANGES[change]
    make(shop, ROWS)
    refresh(shop, store_of(shop), NAME, LAST)
    before, store, events = held(shop), store_of(shop, table), shop.read(SOURCE)
    labels = spark.sql("SELECT 7L AS guest, TIMESTAMP '2024-03-05 00:00:00Z' AS at")
    steps = {
        "refresh": lambda: refresh(shop, store, NAME, LAST),
        "ensure": lambda: store.ensure(spark, NAME),
        "write": lambda: store.write_days(spark, NAME, events, last_day=date(2024, 3, 6)),
        "mend": lambda: store.mend(spark, NAME, events, events, last_day=LAST),
        "train and score": lambda: create_training_set(store, labels, ["visits_3d"], timestamp="at").load_df(),
        "publish": lambda: publish(tmp_path / "online.db", store.registry, NAME, store.read(spark, NAME)),
    }

    for step, attempt in steps.items():
        with pytest.raises(OtherDefinitions, match=r"(?s)visits_3d is defined otherwise.*features --backfill"):
            attempt()
        assert held(shop) == before, step

    refresh(shop, store, NAME, LAST, backfill=True)
    refresh(shop, store, NAME, LAST)
    fresh = store_of(shop, table)
    rows = {tuple(row) for row in fresh.read(spark, NAME).collect()}
    drop(shop, NAME)
    refresh(shop, fresh, NAME, LAST)
    assert rows == {tuple(row) for row in fresh.read(spark, NAME).collect()}


def test_other_words_and_another_order_are_no_other_meaning(shop: Lakehouse) -> None:
    make(shop, ROWS)
    refresh(shop, store_of(shop), NAME, LAST)
    said = redefined(description="How often.", where={"room": ("green", "blue", "green")}, unit="visits", owner="me")

    assert refresh(shop, store_of(shop, replace(said, ttl_days=9)), NAME, LAST).again == ""


def test_a_backfill_that_dies_on_the_way_leaves_a_table_that_neither_definition_reads(
    shop: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(shop, ROWS)
    refresh(shop, store_of(shop), NAME, LAST)
    table = CHANGES["another condition"]

    def dies(*_: object, **__: object) -> None:
        raise ConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "compute_features", dies)
        with pytest.raises(ConnectionError):
            refresh(shop, store_of(shop, table), NAME, LAST, backfill=True)

    for definition in (GUESTS, table):
        with pytest.raises(OtherDefinitions):
            held(shop, definition)
    refresh(shop, store_of(shop), NAME, LAST, backfill=True)
    assert held(shop) == expected(ROWS)


def test_a_table_without_fingerprints_adopts_those_of_today_unless_its_version_was_raised(
    shop: Lakehouse, caplog: pytest.LogCaptureFixture
) -> None:
    make(shop, ROWS)
    refresh(shop, store_of(shop), NAME, LAST)
    forget = f"ALTER TABLE {shop.identifier(NAME)} UNSET TBLPROPERTIES ('{DEFINED}visits_3d')"
    shop.spark.sql(forget)

    assert held(shop) == expected(ROWS)
    with pytest.raises(OtherDefinitions):
        refresh(shop, store_of(shop, CHANGES["a version that somebody raised"]), NAME, LAST)
    with caplog.at_level(logging.INFO, "databricks_utils"):
        refresh(shop, store_of(shop), NAME, LAST)

    assert f"{NAME}: 1 columns have no fingerprint yet" in caplog.text
    with pytest.raises(OtherDefinitions):
        held(shop, CHANGES["another condition"])


def test_a_new_column_is_named_until_its_past_is_computed(shop: Lakehouse) -> None:
    make(shop, ROWS)
    refresh(shop, store_of(shop), NAME, LAST)
    more = replace(GUESTS, features=[ROOMS, Feature("rooms", "count_distinct", of="room", description="Rooms.")])

    with pytest.raises(InvalidInput, match=r"(?s)gold\.guests has no rooms_1d yet.*features --backfill"):
        held(shop, more)
    assert refresh(shop, store_of(shop, more), NAME, LAST).without_past == ("rooms_1d",)
    assert refresh(shop, store_of(shop, more), NAME, LAST).without_past == ("rooms_1d",)
    assert refresh(shop, store_of(shop, more), NAME, LAST, backfill=True).without_past == ()
    assert refresh(shop, store_of(shop, more), NAME, LAST).without_past == ()


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Kiritimati", "UTC"])
def test_the_newest_day_is_that_of_utc_whatever_the_session_s_time_zone(shop: Lakehouse, zone: str) -> None:
    """West of Greenwich the midnight from which on a row may be used is on the day before."""
    make(shop, ROWS)
    refresh(shop, store_of(shop), NAME, LAST)
    before = shop.spark.conf.get("spark.sql.session.timeZone")
    shop.spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        found = store_of(shop).newest_day(shop.spark, NAME)
        again = refresh(shop, store_of(shop), NAME, LAST)
    finally:
        shop.spark.conf.set("spark.sql.session.timeZone", str(before))

    assert (found, again.last_day, again.written) == (LAST, LAST, 0)


def test_a_backfill_takes_out_the_days_that_have_no_events_any_more(shop: Lakehouse) -> None:
    make(shop, ROWS)
    refresh(shop, store_of(shop), NAME, LAST)
    drop(shop, SOURCE)
    make(shop, [(4, 8, 4, "blue")])

    refresh(shop, store_of(shop), NAME, LAST, backfill=True)

    assert held(shop) == expected([(4, 8, 4, "blue")])


def test_a_source_without_rows_is_named_and_the_features_stay(shop: Lakehouse) -> None:
    make(shop, ROWS)
    refresh(shop, store_of(shop), NAME, LAST)
    drop(shop, SOURCE)
    make(shop, [])

    with pytest.raises(InvalidInput, match=r"(?s)silver.visits has no rows.*Run the pipeline first"):
        refresh(shop, store_of(shop), NAME, LAST)
    assert held(shop) == expected(ROWS)


def test_what_a_correction_takes_out_is_not_in_the_online_store_either(shop: Lakehouse, tmp_path: Path) -> None:
    path, store = tmp_path / "online.db", store_of(shop)
    make(shop, ROWS)
    refresh(shop, store, NAME, LAST)
    publish(path, store.registry, NAME, store.read(shop.spark, NAME), everything=True)
    drop(shop, SOURCE)
    make(shop, [(1, 7, 1, "blue")])
    refresh(shop, store, NAME, date(2024, 3, 2))

    publish(path, store.registry, NAME, store.read(shop.spark, NAME))
    with OnlineStore(path, store.registry) as online:
        partly = {guest: online.look_up(NAME, (guest,))["visits_3d"] for guest in (7, 8)}
        publish(path, store.registry, NAME, store.read(shop.spark, NAME), everything=True)
        wholly = {guest: online.look_up(NAME, (guest,))["visits_3d"] for guest in (7, 8)}

    assert (partly, wholly) == ({7: 1, 8: 1}, {7: 1, 8: None})


def test_an_open_online_store_stops_answering_when_other_definitions_are_published(
    shop: Lakehouse, tmp_path: Path
) -> None:
    path, spark, other = tmp_path / "online.db", shop.spark, store_of(shop, CHANGES["another condition"])
    make(shop, ROWS)
    store = store_of(shop)
    refresh(shop, store, NAME, LAST)
    publish(path, store.registry, NAME, store.read(spark, NAME))
    with OnlineStore(path, store.registry) as online:
        assert online.look_up(NAME, (7,)) == {"visits_3d": 1}
        refresh(shop, other, NAME, LAST, backfill=True)
        publish(path, other.registry, NAME, other.read(spark, NAME))

        for guest in (7, 12345):
            with pytest.raises(OtherDefinitions, match=r"(?s)published from other definitions.*start it again"):
                online.look_up(NAME, (guest,))

        refresh(shop, store, NAME, LAST, backfill=True)
        publish(path, store.registry, NAME, store.read(spark, NAME))
        assert online.look_up(NAME, (7,)) == {"visits_3d": 1}
