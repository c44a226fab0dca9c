"""An event that came too late, from the future or without a time is in the quarantine, never nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from little_tills import TILLS, closed, land, opened, rows, sale
from pyspark.sql import SparkSession

from databricks_utils.contracts import parse_schema
from databricks_utils.delta import append
from databricks_utils.medallion import Lakehouse
from databricks_utils.observability import RunResult
from databricks_utils.pipeline import technical
from databricks_utils.streaming import balances, checkpoint_path, run_streams, stream_queries
from databricks_utils.streaming.late import FILE, LateEvents

NOON = datetime(2024, 1, 5, 12, tzinfo=timezone.utc)
#: What the numbers of Kafka say of a record's time.
CREATE_TIME, LOG_APPEND_TIME = 0, 1
RECEIVED = parse_schema(
    "value BINARY, topic STRING, partition INT, offset BIGINT, timestamp TIMESTAMP, _ingestion_timestamp TIMESTAMP, "
    "_timestamp_type INT, _batch_id STRING"
)
SILVER = ["silver.sales"]
MINUTES = ["silver.sales", "gold.store_minutes"]


@dataclass(frozen=True)
class Event:
    """An event, its times in minutes from the moment at which bronze takes it.

    Args:
        number: Its key.
        happened: What the event says; None where it says nothing.
        recorded: What its record says; None of a file.
        kind: Whose clock that is.
    """

    number: int
    happened: int | None = 0
    recorded: int | None = 0
    kind: int | None = CREATE_TIME


class Bronze:
    """A bronze table of sales that takes events at a known moment."""

    def __init__(self, tills: Lakehouse) -> None:
        self.tills, self.offset = tills, 0
        # Creates the table.
        stream_queries(tills, TILLS, [TILLS.node("bronze.sales")])

    def take(self, events: Sequence[Event], now: datetime, files: int = 1) -> None:
        """Append events in one commit of so many files; the offset tells each."""
        received = []
        for event in events:
            happened = None if event.happened is None else (now + timedelta(minutes=event.happened)).isoformat()
            content = {"sale_id": f"s{event.number}", "event_time": happened, "store_id": 1, "amount": 5}
            noted = None if event.recorded is None else now + timedelta(minutes=event.recorded)
            value = bytearray(json.dumps(content).encode())
            received.append((value, "tills.sales", 0, self.offset, noted, now, event.kind, f"b-{self.offset:06}"))
            self.offset += 1
        frame = self.tills.spark.createDataFrame(received, RECEIVED).repartition(files, "offset")
        names = self.tills.read("bronze.sales").columns
        frame = frame.select(*[name for name in frame.columns if name in names])
        identifier, folder = self.tills.identifier("bronze.sales"), self.tills.folder("bronze.sales")
        append(self.tills.spark, identifier, frame, folder=folder)


def worked_off(tills: Lakehouse, tables: Sequence[str] = SILVER) -> RunResult:
    run = run_streams(tills, TILLS, tables=tables)
    assert run.status != "failed", [table.error for table in run.tables]
    return run


def put_aside(tills: Lakehouse) -> dict[object, Sequence[str]]:
    """Return the reasons in the quarantine by offset; each offset may be there once."""
    found = rows(tills, "silver.sales_quarantine", "_offset", "_validation_errors")
    assert len({offset for offset, _ in found}) == len(found)
    return {offset: list(reasons) for offset, reasons in found}  # type: ignore[call-overload]  # a list of texts


def stored(tills: Lakehouse) -> list[object]:
    return [offset for (offset,) in rows(tills, "silver.sales", "_offset")]


@pytest.fixture
def bronze(spark: SparkSession, lakehouse_folder: Path) -> Iterable[Bronze]:
    tills = opened(spark, lakehouse_folder)
    yield Bronze(tills)
    closed(tills)


def test_what_is_as_old_by_its_record_as_by_itself_is_put_aside_after_newer_events(bronze: Bronze) -> None:
    tills = bronze.tills
    bronze.take([Event(1), Event(2)], NOON)
    worked_off(tills)
    old = [Event(3, -30, -30), Event(1, -30, -30), Event(4, -9, -9), Event(5, -16, None, None)]
    bronze.take([*old, Event(6, -30, -30, LOG_APPEND_TIME)], NOON + timedelta(seconds=5))

    (table,) = worked_off(tills).tables

    assert stored(tills) == [0, 1, 4]
    assert put_aside(tills) == {2: ["event_time_not_late"], 5: ["event_time_not_late"], 6: ["event_time_not_late"]}
    # The second event of sale 1 repeats one that is stored.
    counts = (table.rows_read, table.rows_written, table.rows_quarantined, table.rows_duplicate)
    assert (counts, table.breaches, table.balanced) == ((5, 1, 3, 1), (), True)
    (balance,) = balances(tills, TILLS, SILVER)
    assert (balance.late, balance.lost, balance.doubled) == (3, 0, 0)


def test_a_producer_whose_clock_is_ahead_makes_nobody_late(bronze: Bronze) -> None:
    tills = bronze.tills
    bronze.take([Event(1, 50, 50), Event(2, 6, 6), Event(3, 5, 50)], NOON)
    # A broker that notes the time of arrival is believed, but not that something arrives after bronze has it.
    bronze.take([Event(4, 50, 50, LOG_APPEND_TIME), Event(5, -8, -4, LOG_APPEND_TIME)], NOON)
    worked_off(tills)
    bronze.take([Event(6), Event(7, -9, 50)], NOON + timedelta(minutes=1))

    worked_off(tills)

    assert put_aside(tills) == {offset: ["event_time_not_future"] for offset in (0, 1, 3)}
    assert stored(tills) == [2, 4, 5, 6]


def test_an_event_without_a_time_is_put_aside_also_where_its_contract_does_not_ask_for_one(bronze: Bronze) -> None:
    contract = bronze.tills.contract("silver.sales")
    lenient = replace(contract, columns=tuple(replace(column, required=False) for column in contract.columns))
    tills = Lakehouse(
        bronze.tills.spark, bronze.tills.configuration, {**bronze.tills.contracts, "silver.sales": lenient}
    )
    bronze.take([Event(1, None), Event(2)], NOON)

    worked_off(tills)

    assert (stored(tills), put_aside(tills)) == ([1], {0: ["event_time_not_null"]})


def test_what_a_process_has_dropped_that_died_then_is_put_aside_by_the_next_one_and_once(bronze: Bronze) -> None:
    tills, node = bronze.tills, TILLS.silver("silver.sales")
    bronze.take([Event(1)], NOON)
    worked_off(tills)
    bronze.take([Event(2, -30, -30)], NOON)
    silver, _ = stream_queries(tills, TILLS, [node])
    note = Path(silver.checkpoint) / FILE
    LateEvents(tills, node, silver.checkpoint).begin()
    before = json.loads(note.read_text())
    silver.start(None).awaitTermination()
    assert (stored(tills), put_aside(tills)) == ([0], {})

    # Nothing new has come.
    (table,) = worked_off(tills).tables
    first = put_aside(tills)
    # A death between the quarantine's commit and the note of it.
    note.write_text(json.dumps({**before, "until": json.loads(note.read_text())["version"]}))
    worked_off(tills)

    assert first == put_aside(tills) == {1: ["event_time_not_late"]}
    assert (table.status, table.rows_quarantined) == ("skipped", 0)
    assert json.loads(note.read_text())["running"] is False
    # A stream in order looks at nothing again.
    assert before["running"] is True


def test_a_checkpoint_and_a_bronze_table_of_an_earlier_release_go_on(
    spark: SparkSession, lakehouse_folder: Path
) -> None:
    tills = opened(spark, lakehouse_folder)
    tills.ensure_table(tills.contract("bronze.sales"), technical.columns("bronze"))
    bronze = Bronze.__new__(Bronze)
    bronze.tills, bronze.offset = tills, 0
    bronze.take([Event(1), Event(2, 50, 50)], NOON)
    worked_off(tills)
    (Path(checkpoint_path(tills, "tills", "silver.sales", 1)) / FILE).unlink()
    assert "_timestamp_type" not in tills.read("bronze.sales").columns
    land(tills, "tills.sales", "1.jsonl", [sale(3, "11:00:00"), sale(4, "11:55:00"), sale(1, "12:00:00")])

    worked_off(tills, ["bronze.sales", "silver.sales"])

    assert "_timestamp_type" in tills.read("bronze.sales").columns
    assert rows(tills, "silver.sales", "sale_id") == [("s1",), ("s4",)]
    reasons = rows(tills, "silver.sales_quarantine", "record", "_validation_errors")
    assert [(json.loads(str(record))["sale_id"], why) for record, why in reasons] == [
        ("s2", ["event_time_not_future"]),
        ("s3", ["event_time_not_late"]),
    ]
    assert [(item.lost, item.doubled) for item in balances(tills, TILLS, ["silver.sales"])] == [(0, 0)]
    closed(tills)


MINUTES_AROUND = st.integers(-60, 60)
#: When each of six sales happened, in minutes from noon; it is sent with this time however often it is sent.
HAPPENED = st.lists(MINUTES_AROUND, min_size=6, max_size=6)
#: A sale, what its record says of the moment, and whose clock that is.
RECORDS = st.tuples(
    st.integers(0, 5), st.none() | MINUTES_AROUND, st.sampled_from([None, CREATE_TIME, LOG_APPEND_TIME])
)
#: Records of one commit of bronze, its files, the minutes since the one before, and whether silver runs then.
DELIVERIES = st.lists(
    st.tuples(st.lists(RECORDS, min_size=1, max_size=5), st.integers(1, 2), st.integers(0, 30), st.booleans()),
    min_size=3,
    max_size=5,
)


@settings(
    max_examples=3,
    phases=(Phase.generate,),  # to make a failing example smaller takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(HAPPENED, DELIVERIES)
def test_whatever_times_events_have_each_is_stored_once_or_put_aside_with_a_reason(
    spark: SparkSession,
    lakehouse_folder: Path,
    happened: list[int],
    deliveries: list[tuple[list[tuple[int, int | None, int | None]], int, int, bool]],
) -> None:
    tills = opened(spark, lakehouse_folder / uuid4().hex[:8])
    bronze, minute, sent = Bronze(tills), 0, list[int]()
    for records, files, pause, runs in deliveries:
        minute += pause
        events = [Event(sale, happened[sale] - minute, recorded, kind) for sale, recorded, kind in records]
        bronze.take(events, NOON + timedelta(minutes=minute), files)
        sent += [event.number for event in events]
        if runs:
            worked_off(tills)
    silver, gold = worked_off(tills, MINUTES).tables

    assert silver.breaches == ()
    offsets, aside = stored(tills), put_aside(tills)
    kept = [sent[int(str(offset))] for offset in offsets]
    assert len(set(kept)) == len(kept)
    assert not set(offsets) & set(aside)
    assert all(reasons for reasons in aside.values())
    assert [sale for offset, sale in enumerate(sent) if offset not in aside and sale not in kept] == []
    (balance,) = balances(tills, TILLS, SILVER)
    assert (balance.received, balance.lost, balance.doubled) == (len(sent), 0, 0)
    # What a window drops is in silver, and counted.
    in_minutes = tills.read("gold.store_minutes").selectExpr("coalesce(sum(sales), 0)").collect()[0][0]
    assert in_minutes == len(offsets) or gold.breaches
    closed(tills)
