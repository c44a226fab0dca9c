"""Alerts about single events, in real-time mode and in micro-batches, from a real broker and back to it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from little_broker import SALES, now, produce
from little_tills import TILLS, closed, opened, sale
from pyspark.sql import DataFrame, SparkSession

from databricks_utils.streaming import (
    EventAlerts,
    StreamPipeline,
    possible_mode,
    run_event_alerts,
    start_event_alerts,
)
from databricks_utils.streaming.progress import STREAM_PROGRESS
from databricks_utils.streaming.realtime import Mode
from databricks_utils.testing import KafkaBroker

pytestmark = pytest.mark.broker
ALERTS = "tills.alerts"
WAIT_SECONDS = 60


def large_sales(sales: DataFrame) -> DataFrame:
    return sales.where("amount > 100").selectExpr("concat('large|', sale_id) AS alert_id", "store_id", "amount")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    with KafkaBroker(tmp_path / "broker") as running:
        for topic in (SALES, ALERTS):
            running.create_topic(topic, partitions=1)
        yield running


def told(consumer: Consumer, number: int) -> list[tuple[str, int, float]]:
    """Return key, store and time of arrival of so many alerts; each is waited for, at most a minute."""
    found = []
    while len(found) < number:
        message = consumer.poll(WAIT_SECONDS)
        assert message is not None, f"{len(found)} of {number} alerts came"
        assert message.error() is None
        value = json.loads(message.value())
        found.append((message.key().decode(), value["store_id"], time.time()))
    return found


@pytest.mark.matrix
@pytest.mark.parametrize("mode", ["real_time", "micro_batch"])
def test_an_alert_is_told_under_the_id_of_its_event_again_after_a_restart_and_never_lost(
    spark: SparkSession, broker: KafkaBroker, tmp_path: Path, mode: Mode
) -> None:
    streaming = {
        "source": "kafka",
        "broker": {"bootstrap_servers": broker.bootstrap_servers},
        "alerts": {"topic": ALERTS},
    }
    tills = opened(spark, tmp_path / "tills", streaming)
    rule = EventAlerts("large_sales", "silver.sales", large_sales)
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "test", "log_level": 0})
    consumer.assign([TopicPartition(ALERTS, 0, OFFSET_BEGINNING)])
    assert possible_mode(spark) == "real_time"

    query = start_event_alerts(tills, TILLS, rule, mode=mode)
    produce(broker, SALES, [sale(1, now().isoformat(), 200), b"not json", sale(2, now().isoformat(), 20)])
    first = told(consumer, 1)
    query.stop()
    produce(broker, SALES, [sale(3, now().isoformat(), 300, store=2)])
    query = start_event_alerts(tills, TILLS, rule, mode=mode)
    seen = {(key, store) for key, store, _ in first}
    while ("large|s3", 2) not in seen:
        seen |= {(key, store) for key, store, _ in told(consumer, 1)}
    assert query.exception() is None
    query.stop()

    assert seen == {("large|s1", 1), ("large|s3", 2)}
    consumer.close()
    closed(tills)


def test_a_run_that_ends_looks_at_every_event_once_and_notes_it(
    spark: SparkSession, broker: KafkaBroker, tmp_path: Path
) -> None:
    streaming = {
        "source": "kafka",
        "trigger": "available_now",
        "broker": {"bootstrap_servers": broker.bootstrap_servers},
        "alerts": {"topic": ALERTS},
    }
    tills = opened(spark, tmp_path / "tills", streaming)
    pipeline = StreamPipeline(
        TILLS.name, *TILLS.nodes, event_alerts=[EventAlerts("large_sales", "silver.sales", large_sales)]
    )
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "test", "log_level": 0})
    consumer.assign([TopicPartition(ALERTS, 0, OFFSET_BEGINNING)])
    produce(broker, SALES, [sale(1, now().isoformat(), 200), b"not json", sale(2, now().isoformat(), 20)])

    first = run_event_alerts(tills, pipeline, run_id="first")
    produce(broker, SALES, [sale(3, now().isoformat(), 300, store=2)])
    second = run_event_alerts(tills, pipeline, run_id="second")
    third = run_event_alerts(tills, pipeline, run_id="third")

    assert [key for key, _, _ in told(consumer, 2)] == ["large|s1", "large|s3"]
    assert (first, second, third) == ({"large_sales": 3}, {"large_sales": 1}, {"large_sales": 0})
    noted = tills.read(STREAM_PROGRESS.name).groupBy("run_id").sum("input_rows").collect()
    assert dict(map(tuple, noted)) == {"first": 3, "second": 1}
    consumer.close()
    closed(tills)
