"""A topic that was deleted and created again is noticed: none of it is skipped, and the proof sees what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from little_broker import PAYMENTS, SALES, now, produce
from little_tills import TILLS, closed, opened, ran, sale
from pyspark.sql import SparkSession

from databricks_utils.medallion import Lakehouse
from databricks_utils.streaming import StreamBronze, StreamPipeline, balances, client, run_streams, runner
from databricks_utils.streaming.pace import Listener
from databricks_utils.streaming.progress import BatchProgress
from databricks_utils.testing import KafkaBroker

pytestmark = pytest.mark.broker
SILVER = ["bronze.sales", "silver.sales"]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    with KafkaBroker(tmp_path_factory.mktemp("topics") / "broker") as running:
        yield running


def streaming(broker: KafkaBroker, **more: object) -> dict[str, object]:
    return {"source": "kafka", "broker": {"bootstrap_servers": broker.bootstrap_servers}, **more}


@pytest.fixture
def tills(spark: SparkSession, lakehouse_folder: Path, broker: KafkaBroker) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, lakehouse_folder, streaming(broker))
    yield lakehouse
    closed(lakehouse)


def reading(topic: str, version: int = 1) -> StreamPipeline:
    """Return what takes one topic into bronze, under a checkpoint of its own."""
    return StreamPipeline(topic, StreamBronze("sales", topic=topic, version=version))


def filled(broker: KafkaBroker, topic: str, partitions: int, records: int, word: str) -> None:
    """Create a topic with so many records in each partition."""
    broker.create_topic(topic, partitions)
    for partition in range(partitions):
        produce(broker, topic, [f"{word}-{partition}-{number}".encode() for number in range(records)], partition)


def said(tills: Lakehouse, pipeline: StreamPipeline) -> str:
    """Run a pipeline of one table and return why it failed, or nothing."""
    (table,) = run_streams(tills, pipeline).tables
    assert table.error is None or table.rows_written == 0
    return table.error or ""


def without_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.TopicIds, "of", lambda *_: None)


@pytest.mark.parametrize(
    "has_ids", [True, pytest.param(False, marks=pytest.mark.matrix)], ids=["by its id", "by its records"]
)
def test_a_topic_that_is_another_one_is_not_read_on(
    tills: Lakehouse, broker: KafkaBroker, has_ids: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_ids:
        without_ids(monkeypatch)
    # Partitions and records of the first topic and of the second.
    kinds = {"longer": (2, 3, 2, 5), "shorter": (2, 3, 2, 1), "fewer": (2, 3, 1, 5), "more": (1, 3, 2, 5)}
    reasons = {}
    for kind, (partitions, records, later_partitions, later_records) in kinds.items():
        topic = f"{kind}-{has_ids}"
        filled(broker, topic, partitions, records, "first")
        assert said(tills, reading(topic)) == ""
        broker.delete_topic(topic)
        filled(broker, topic, later_partitions, later_records, "second")
        reasons[kind] = said(tills, reading(topic))
        # The stream's next version reads all of it.
        (table,) = run_streams(tills, reading(topic, version=2)).tables
        assert (table.error, table.rows_written) == (None, later_partitions * later_records), kind

    assert all("topic-recreated.md" in reason for reason in reasons.values()), reasons
    # Without an id a shorter one looks as one whose events have expired.
    certain = {kind: reason for kind, reason in reasons.items() if has_ids or kind != "shorter"}
    assert all("is not the one that was read" in reason or "fewer" in reason for reason in certain.values()), certain


def test_a_topic_that_is_the_same_is_read_on_whatever_became_of_its_records(
    tills: Lakehouse, broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(broker, "same", 2, 3, "first")
    assert said(tills, reading("same")) == ""
    broker.add_partitions("same", 3)
    produce(broker, "same", [b"third"], 2)
    assert said(tills, reading("same")) == ""
    without_ids(monkeypatch)
    for path in Path(tills.configuration.storage.checkpoints).rglob("topic.json"):
        path.unlink()  # as of an earlier release
    assert said(tills, reading("same")) == ""
    # The last records that were read have expired.
    admin = broker.admin()  # it must outlive its answer
    gone: Any = admin.delete_records([TopicPartition("same", 0, 3), TopicPartition("same", 1, 3)])
    assert [future.result(60).low_watermark for future in gone.values()] == [3, 3]
    produce(broker, "same", [b"fourth"], 0)

    assert said(tills, reading("same")) == ""
    assert tills.read("bronze.sales").count() == 8


@pytest.mark.matrix
def test_a_topic_of_another_name_or_another_broker_needs_another_checkpoint(
    spark: SparkSession, tills: Lakehouse, broker: KafkaBroker, lakehouse_folder: Path, tmp_path: Path
) -> None:
    filled(broker, "first-name", 1, 3, "first")
    filled(broker, "other-name", 1, 9, "other")
    assert said(tills, reading("first-name")) == ""

    renamed = said(tills, StreamPipeline("first-name", StreamBronze("sales", topic="other-name")))
    with KafkaBroker(tmp_path / "other") as other:
        filled(other, "first-name", 1, 9, "other")
        mark = tills.configuration.schemas.bronze.removeprefix("bronze_")
        moved = said(opened(spark, lakehouse_folder, streaming(other), mark), reading("first-name"))

    assert "This checkpoint is of the topic first-name, and the definition names other-name" in renamed
    assert "streaming.broker names another broker" in moved


@pytest.mark.matrix
def test_whoever_does_without_what_is_lost_goes_on(
    spark: SparkSession, broker: KafkaBroker, lakehouse_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tills = opened(spark, lakehouse_folder, streaming(broker, fail_on_data_loss=False))
    filled(broker, "careless", 1, 3, "first")
    assert said(tills, reading("careless")) == ""
    broker.delete_topic("careless")
    filled(broker, "careless", 1, 5, "second")

    assert said(tills, reading("careless")) == ""
    assert caplog.text.count("fail_on_data_loss is false") == 1
    assert said(tills, reading("careless")) == ""
    assert caplog.text.count("fail_on_data_loss is false") == 1
    closed(tills)


def recreated(broker: KafkaBroker, first: int, number: int) -> None:
    """Let the topic of the sales be another one, with so many sales."""
    broker.delete_topic(SALES)
    broker.create_topic(SALES)
    for partition in range(2):
        numbers = range(first + partition, first + number, 2)
        produce(broker, SALES, [sale(sold, now().isoformat()) for sold in numbers], partition)


def test_the_proof_sees_what_was_never_read_of_a_topic_that_was_created_again_until_it_is(
    tills: Lakehouse, broker: KafkaBroker
) -> None:
    for topic in (SALES, PAYMENTS):
        broker.create_topic(topic)
    produce(broker, SALES, [sale(number, now().isoformat()) for number in range(6)])
    ran(tills, *SILVER)
    recreated(broker, 100, 20)

    refused = run_streams(tills, TILLS, tables=SILVER)
    (balance,) = balances(tills, TILLS, SILVER)
    assert [table.status for table in refused.tables] == ["failed", "blocked"]
    assert (refused.exit_code, balance.missing, balance.lost) == (1, 20, 20)

    bronze = TILLS.node("bronze.sales")
    assert isinstance(bronze, StreamBronze)
    others = [node for node in TILLS if node is not bronze]
    again = StreamPipeline("tills", replace(bronze, version=2), *others)
    assert run_streams(tills, again, tables=SILVER).exit_code == 0

    (balance,) = balances(tills, again, SILVER)
    assert (balance.received, balance.stored, balance.lost, balance.doubled) == (26, 26, 0, 0)
    broker.delete_topic(SALES)
    broker.delete_topic(PAYMENTS)


def once(action: Callable[[], object]) -> Listener:
    """Return what makes a run call an action after the first batch of bronze."""
    left = [action]

    def listen(newest: dict[str, BatchProgress]) -> None:
        if "bronze.sales" in newest and left:
            left.pop()()

    return listen


def test_a_topic_that_is_created_again_while_streams_run_stops_them(
    spark: SparkSession, broker: KafkaBroker, lakehouse_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "WATCH_SECONDS", 0)
    tills = opened(spark, lakehouse_folder, streaming(broker, trigger="processing_time", interval_seconds=0.2))
    for topic in (SALES, PAYMENTS):
        broker.create_topic(topic)
    produce(broker, SALES, [sale(number, now().isoformat()) for number in range(4)])

    run = run_streams(
        tills, TILLS, tables=SILVER, for_seconds=300, on_progress=once(lambda: recreated(broker, 100, 60))
    )

    error = str(run.tables[0].error)
    assert run.tables[0].status == "failed"
    assert "it was deleted and created again" in error
    assert "topic-recreated.md" in error
    stored = [str(value) for (value,) in tills.read("bronze.sales").selectExpr("string(value)").collect()]
    assert all(any(f'"s{number}"' in value for value in stored) for number in range(4))
    closed(tills)
