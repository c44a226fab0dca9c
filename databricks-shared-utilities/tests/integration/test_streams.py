"""Streams from files: every event arrives once, whatever it holds and whenever a process dies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from little_hook import TOKEN, listening
from little_tills import TILLS, closed, contents, land, opened, payment, ran, rows, sale
from pyspark.errors import StreamingQueryException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from databricks_utils.config import EnvironmentSecrets
from databricks_utils.errors import InvalidInput, TableBusy
from databricks_utils.medallion import Lakehouse
from databricks_utils.observability import RunResult
from databricks_utils.streaming import (
    StreamAlerts,
    balances,
    checkpoint_path,
    forget_last_batch,
    run_streams,
    stream_queries,
    writer,
)
from databricks_utils.streaming.events import prepare_events
from databricks_utils.streaming.summary import stream_summaries

POISON = ["not json", "[]", "", '{"sale_id": "s9"}', sale(7, "10:01:20", "much"), sale(8, "10:01:20", -1)]

Settled = tuple[Lakehouse, RunResult]


def land_an_hour(tills: Lakehouse) -> None:
    """Land two files for each topic: good events, a repeated one, and poison of every kind."""
    land(tills, "tills.sales", "1.jsonl", [sale(1, "10:00:05"), sale(2, "10:00:40", 120), sale(3, "10:01:10")])
    land(tills, "tills.sales", "2.jsonl", [sale(2, "10:00:40", 120), sale(4, "10:02:00", store=2), *POISON])
    land(tills, "tills.payments", "1.jsonl", [payment(1, "10:00:10"), payment(3, "10:05:00")])
    land(tills, "tills.payments", "2.jsonl", [payment(2, "10:01:00", 120)])


@pytest.fixture(scope="module")
def settled(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settled]:
    """Return a lakehouse in which an hour of events has been worked off, and what the run said."""
    tills = opened(spark, tmp_path_factory.mktemp("settled"))
    land_an_hour(tills)
    yield tills, ran(tills)
    closed(tills)


@pytest.fixture
def tills(spark: SparkSession, lakehouse_folder: Path) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, lakehouse_folder)
    yield lakehouse
    closed(lakehouse)


def test_events_flow_from_files_to_alerts(settled: Settled) -> None:
    tills, run = settled

    minutes = rows(tills, "gold.store_minutes", "store_id", "minute", "sales", "amount")

    assert rows(tills, "silver.sales", "sale_id") == [("s1",), ("s2",), ("s3",), ("s4",)]
    assert [(store, str(minute)[11:16], number, amount) for store, minute, number, amount in minutes] == [
        (1, "10:00", 2, Decimal("125.00")),
        (1, "10:01", 1, Decimal("5.00")),
        (2, "10:02", 1, Decimal("5.00")),
    ]
    assert rows(tills, "gold.paid_sales", "sale_id") == [("s1",), ("s2",)]
    assert rows(tills, "gold.alerts", "alert_id") == [("1|2024-01-05T10:00",)]
    assert run.exit_code == 0


def test_the_books_balance(settled: Settled) -> None:
    tills, run = settled

    (sales,) = (table for table in run.tables if table.table == "silver.sales")
    (balance,) = (item for item in balances(tills, TILLS) if item.table == "silver.sales")

    assert (sales.rows_read, sales.rows_written, sales.rows_quarantined, sales.rows_duplicate) == (11, 4, 6, 1)
    assert sales.balanced
    assert (balance.received, balance.valid_keys, balance.invalid) == (11, 4, 6)
    assert (balance.lost, balance.doubled) == (0, 0)


def test_the_balance_sees_a_row_that_is_missing_and_one_that_is_there_twice(settled: Settled) -> None:
    tills, _ = settled
    stored = tills.identifier("silver.payments")
    before = tills.version("silver.payments")
    tills.spark.sql(f"INSERT INTO {stored} SELECT * FROM {stored} WHERE payment_id = 'p1'")
    tills.spark.sql(f"DELETE FROM {stored} WHERE payment_id = 'p2'")

    (balance,) = (item for item in balances(tills, TILLS) if item.table == "silver.payments")
    tills.spark.sql(f"RESTORE TABLE {stored} TO VERSION AS OF {before}")

    assert (balance.lost, balance.doubled) == (1, 1)


def test_bronze_keeps_the_bytes_and_the_quarantine_says_why(settled: Settled) -> None:
    tills, _ = settled

    values = [bytes(value) for (value,) in tills.read("bronze.sales").select("value").collect()]
    reasons = {text: found for text, found in rows(tills, "silver.sales_quarantine", "record", "_validation_errors")}

    assert {b"not json", b"[]", b""} <= set(values)
    assert all("malformed" in reasons[text] for text in ("not json", "[]", ""))  # type: ignore[operator]  # lists
    assert any("cast:amount: not a DECIMAL(10,2)" in str(found) for found in reasons.values())
    assert any("amount_range" in str(found) for found in reasons.values())


def test_progress_is_kept_as_a_table(settled: Settled) -> None:
    tills, _ = settled

    found = rows(tills, "operations.stream_progress", "query", "batch_id", "input_rows", "state_rows")

    assert {name for name, *_ in found} >= {*TILLS.tables}
    assert [(batch, read) for name, batch, read, _ in found if name == "bronze.sales"][:2] == [(0, 3), (1, 8)]
    assert max(int(str(state)) for name, _, _, state in found if name == "silver.sales") == 4


def test_the_streams_of_a_run_are_added_up_for_its_page(settled: Settled) -> None:
    tills, run = settled

    found = {stream.query: stream for stream in stream_summaries(tills, run.run_id)}

    assert next(iter(found)).startswith("bronze.")
    assert {name: stream.rows for name, stream in found.items() if name.startswith("bronze.")} == {
        "bronze.sales": 11,
        "bronze.payments": 3,
    }
    assert (found["silver.sales"].batches, found["silver.sales"].state_rows) == (2, 4)
    # The events are of 2024.
    assert (found["silver.sales"].event_age_seconds or 0) > 10**6
    assert found["bronze.sales"].event_age_seconds is None
    assert all(stream.rate > 0 for stream in found.values())
    assert stream_summaries(tills, "another run") == ()


def test_metrics_agree_with_the_table_of_progress(tills: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    monkeypatch.setattr("opentelemetry.metrics.get_meter", provider.get_meter)
    land_an_hour(tills)
    ran(tills, "bronze.sales", "silver.sales")

    data = reader.get_metrics_data()
    assert data is not None
    metrics = [item for resource in data.resource_metrics for scope in resource.scope_metrics for item in scope.metrics]
    measured = {
        item.name.removeprefix("lakehouse.stream."): {
            str(point.attributes["query"]): point.value for point in item.data.data_points
        }
        for item in metrics
        if "rows.dropped" not in item.name and "duration" not in item.name
    }
    newest = "max_by({0}, batch_id) FILTER (WHERE {0} IS NOT NULL) AS {0}"
    gauges = ("state_rows", "state_bytes", "watermark_delay_seconds")
    noted = tills.read("operations.stream_progress").groupBy("query")
    wanted = [F.sum("input_rows").alias("read"), *[F.expr(newest.format(name)) for name in gauges]]
    rows_of = {row.query: row for row in noted.agg(*wanted).collect()}
    assert rows_of.keys() == {"bronze.sales", "silver.sales", "silver.sales_quarantine"}
    assert measured["rows.read"] == {name: row.read for name, row in rows_of.items()}
    names = ("state.rows", "state.memory", "watermark.delay")
    for name, column in zip(names, gauges, strict=True):
        known = {query: row[column] for query, row in rows_of.items() if row[column] is not None}
        assert measured.get(name, {}) == known, name
    assert measured.keys() >= {"watermark.delay", "state.rows"}


def test_no_query_doubles_anything_when_its_last_batch_is_repeated(
    settled: Settled, monkeypatch: pytest.MonkeyPatch
) -> None:
    tills, settling = settled
    before = contents(tills)
    # As in the process after the one that died.
    monkeypatch.setattr(writer, "_WRITTEN", {})

    repeated = {query.name: forget_last_batch(query.checkpoint) for query in stream_queries(tills, TILLS, list(TILLS))}
    run = ran(tills)

    noted = tills.read("operations.stream_progress").where("input_rows > 0").collect()
    with_rows = {(row.run_id, row.query, row.batch_id) for row in noted}
    assert len(repeated) == 9
    assert max(repeated.values()) > 0
    # Without rows a repetition would prove nothing.
    assert {(settling.run_id, *item) for item in repeated.items()} <= with_rows
    # Delta Lake knows the number of a batch of bronze before anything is read; the others read their rows again.
    read_again = {name for name, batch in repeated.items() if (run.run_id, name, batch) in with_rows}
    assert repeated.keys() - read_again == {"bronze.sales", "bronze.payments"}
    assert contents(tills) == before


def test_the_far_future_makes_nobody_late_and_what_is_late_is_put_aside(tills: Lakehouse) -> None:
    future = {**sale(1, "10:00:00"), "event_time": "2099-01-01T00:00:00Z"}
    land(tills, "tills.sales", "1.jsonl", [future, sale(2, "14:00:00")])
    ran(tills, "bronze.sales", "silver.sales")
    land(tills, "tills.sales", "2.jsonl", [sale(3, "10:00:00"), sale(4, "13:55:00")])

    run = run_streams(tills, TILLS, tables=["bronze.sales", "silver.sales"])

    assert rows(tills, "silver.sales", "sale_id") == [("s2",), ("s4",)]
    reasons = rows(tills, "silver.sales_quarantine", "_validation_errors")
    assert reasons == [(["event_time_not_future"],), (["event_time_not_late"],)]
    assert (run.status, run.tables[1].rows_quarantined) == ("succeeded", 1)


def test_times_of_events_are_valid_up_to_their_limits_and_not_a_microsecond_beyond(settled: Settled) -> None:
    tills, _ = settled
    arrived = datetime(2024, 1, 5, 12, 0, tzinfo=timezone.utc)
    times = ["12:05:00", "12:05:00.000001", "11:50:00", "11:49:59.999999"]
    sent = [(json.dumps(sale(number, time)), arrived) for number, time in enumerate(times)]
    bronze = tills.spark.createDataFrame(sent, "value STRING, timestamp TIMESTAMP").selectExpr(
        "CAST(value AS BINARY) AS value",
        "timestamp",
        "'tills.sales' AS topic",
        "0 AS partition",
        "0L AS offset",
        "timestamp AS _ingestion_timestamp",
        "1 AS _timestamp_type",
        "CAST(NULL AS STRING) AS _source_file",
        "'files' AS _source_system",
        "CAST(NULL AS STRING) AS _batch_id",
    )

    labelled = prepare_events(bronze, tills.contract("silver.sales"), tills, TILLS.silver("silver.sales"))

    found = {row.event_time.strftime("%H:%M:%S.%f"): row for row in labelled.collect()}
    assert [list(row._validation_errors or []) for row in sorted(found.values(), key=lambda row: row.sale_id)] == [
        [],
        ["event_time_not_future"],
        [],
        ["event_time_not_late"],
    ]
    assert len(found) == len(times)


def test_an_event_that_arrives_as_late_as_it_may_is_stored_whatever_came_from_the_future_before(
    tills: Lakehouse,
) -> None:
    arrived = "TIMESTAMP '2024-01-05 12:00:00Z'"
    ran(tills, "bronze.sales")
    for number, time in enumerate(["12:05:00", "11:50:00"]):
        tills.spark.sql(
            f"INSERT INTO {tills.identifier('bronze.sales')} (value, topic, partition, offset, timestamp, "
            f"_ingestion_timestamp) SELECT CAST('{json.dumps(sale(number, time))}' AS BINARY), 'tills.sales', 0, "
            f"{number}L, {arrived}, {arrived}"
        )
        # Each in a run of its own: the watermark of a batch counts from the next one but one.
        ran(tills, "silver.sales")

    progress = tills.read("operations.stream_progress").where("query = 'silver.sales'")
    watermark = progress.agg(F.date_format(F.max("watermark"), "HH:mm:ss"))
    assert rows(tills, "silver.sales", "sale_id") == [("s0",), ("s1",)]
    # It stood close behind the event, or this proves nothing.
    assert watermark.collect()[0][0] in ("11:49:59", "11:50:00")


def test_alerts_that_a_webhook_refuses_fail_the_run_and_are_told_by_the_next_one_under_the_same_ids(
    spark: SparkSession, lakehouse_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"alerts": [{"alert_id": "1|2024-01-05T10:00", "store_id": 1, "amount": 250.0}], "total": 1}
    with listening() as hook:
        monkeypatch.setenv(EnvironmentSecrets.variable("alerts", "webhook"), hook.address)
        tills = opened(spark, lakehouse_folder, {"alerts": {"webhook": "secret://alerts/webhook"}})
        land(tills, "tills.sales", "1.jsonl", [sale(1, "10:00:05", 250), sale(2, "10:01:10")])
        ran(tills, "bronze.sales", "silver.sales", "gold.store_minutes")
        hook.answers = [403]

        refused = run_streams(tills, TILLS, tables=["gold.alerts"])
        kept = tills.read("gold.alerts").count()
        first = list(hook.taken)
        ran(tills, "gold.alerts")
        forget_last_batch(checkpoint_path(tills, "tills", "gold.alerts", 1))
        ran(tills, "gold.alerts")

    error = str(refused.tables[0].error)
    assert refused.exit_code == 1
    assert "the webhook at 127.0.0.1 refused the alerts (HTTP 403)" in error
    assert TOKEN not in error
    # A batch that failed is not one that got on.
    assert (refused.tables[0].rows_read, kept, first) == (0, 0, [])
    assert hook.taken == [wanted]
    assert hook.asked == ["POST", "POST"]
    assert rows(tills, "gold.alerts", "alert_id") == [("1|2024-01-05T10:00",)]
    closed(tills)


def test_an_empty_file_is_a_batch_without_rows_and_what_follows_it_comes_once(tills: Lakehouse) -> None:
    land(tills, "tills.sales", "1.jsonl", [])
    ran(tills, "bronze.sales")
    forget_last_batch(checkpoint_path(tills, "tills", "bronze.sales", 1))
    land(tills, "tills.sales", "2.jsonl", [sale(1, "10:00:05")])

    (bronze,) = ran(tills, "bronze.sales").tables

    assert (bronze.rows_read, bronze.rows_written, tills.read("bronze.sales").count()) == (1, 1, 1)


def test_a_new_checkpoint_writes_again_instead_of_being_skipped(tills: Lakehouse, tmp_path: Path) -> None:
    land(tills, "tills.sales", "1.jsonl", [sale(1, "10:00:00")])
    ran(tills, "bronze.sales")
    Path(checkpoint_path(tills, "tills", "bronze.sales", 1)).rename(tmp_path / "old")

    ran(tills, "bronze.sales")

    assert tills.read("bronze.sales").count() == 2


def fail_somebody_elses_query(spark: SparkSession) -> None:
    """Leave a query in the session that has failed, as a notebook's other cell does."""
    failing = spark.readStream.format("rate").load().selectExpr("raise_error('somebody else') AS error")
    query = failing.writeStream.format("noop").start()
    with pytest.raises(StreamingQueryException):
        query.awaitTermination()


def test_streams_side_by_side_end_with_everything_worked_off_whatever_befell_others(
    spark: SparkSession, lakehouse_folder: Path
) -> None:
    fail_somebody_elses_query(spark)
    tills = opened(spark, lakehouse_folder, {"trigger": "processing_time", "interval_seconds": 0.2})
    land(tills, "tills.sales", "1.jsonl", [sale(1, "10:00:05"), sale(2, "10:00:40")])
    seen: list[str] = []
    tables = ["bronze.sales", "silver.sales", "gold.store_minutes"]

    run = run_streams(
        tills, TILLS, tables=tables, for_seconds=60, on_progress=seen.extend, until=lambda: "bronze.sales" in seen
    )

    assert run.status == "succeeded", [table.error for table in run.tables]
    assert rows(tills, "gold.store_minutes", "sales") == [(2,)]
    closed(tills)


def test_a_missing_folder_is_named_and_what_reads_it_is_blocked(tills: Lakehouse) -> None:
    (Path(tills.configuration.storage.landing) / "tills.sales").rmdir()

    run = run_streams(tills, TILLS, tables=["bronze.sales", "silver.sales"])

    assert [table.status for table in run.tables] == ["failed", "blocked"]
    assert "does not exist" in str(run.tables[0].error)


def test_a_second_run_of_the_same_streams_waits_for_the_first_and_says_for_whom(tills: Lakehouse) -> None:
    execution = tills.configuration.execution.model_copy(update={"lock_wait_seconds": 0})
    hurried = Lakehouse(tills.spark, tills.configuration.model_copy(update={"execution": execution}), tills.contracts)
    land(tills, "tills.sales", "1.jsonl", [sale(1, "10:00:05", "x")])

    for table in ("silver.sales", "silver.sales_quarantine"):
        with tills.held([table], [], "5f1d2c3b4a59"), pytest.raises(TableBusy, match="run 5f1d2c3b4a59") as error:
            run_streams(hurried, TILLS, tables=["bronze.sales", "silver.sales"])
        assert error.value.message.startswith(f"{table} is being written")
    ran(hurried, "bronze.sales", "silver.sales")


def test_a_time_for_a_run_that_ends_by_itself_is_refused(tills: Lakehouse) -> None:
    with pytest.raises(InvalidInput, match="no time to run for"):
        run_streams(tills, TILLS, for_seconds=5)


def test_a_table_made_again_beside_its_checkpoint_is_refused_and_alerts_that_count_a_batch_are_too(
    tills: Lakehouse,
) -> None:
    land(tills, "tills.payments", "1.jsonl", [payment(1, "10:00:10")])
    nodes = [node for node in TILLS if node.name == "payments"]
    ran(tills, *[node.table for node in nodes])
    folder = tills.folder("silver.payments")
    assert folder is not None
    tills.spark.sql(f"DROP TABLE {tills.identifier('silver.payments')}")
    shutil.rmtree(folder, ignore_errors=True)
    counted = StreamAlerts(
        "alerts", reads="gold.store_minutes", transform=lambda minutes: minutes.groupBy("store_id").count()
    )

    for _ in range(2):
        with pytest.raises(InvalidInput, match=r"silver\.payments: dropped and made again"):
            stream_queries(tills, TILLS, nodes)
    with pytest.raises(InvalidInput, match=r"alerts groups rows \(store_id\)"):
        stream_queries(tills, TILLS, [counted])
