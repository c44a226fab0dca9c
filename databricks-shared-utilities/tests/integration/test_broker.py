"""A real broker: what it holds arrives once, also when it dies between two runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from confluent_kafka import Producer
from little_tills import TILLS, closed, opened, payment, ran, rows, sale
from pyspark.sql import SparkSession

from databricks_utils.streaming import balances
from databricks_utils.testing import KafkaBroker

pytestmark = pytest.mark.broker
TOPICS = ("tills.sales", "tills.payments")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    with KafkaBroker(tmp_path_factory.mktemp("broker")) as running:
        for topic in TOPICS:
            running.create_topic(topic)
        yield running


def produce(broker: KafkaBroker, topic: str, events: Sequence[object]) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "enable.idempotence": True})
    for event in events:
        producer.produce(topic, event if isinstance(event, bytes) else json.dumps(event).encode())
    assert producer.flush(20) == 0


def test_events_of_a_broker_arrive_once_also_when_it_dies_in_between(
    spark: SparkSession, lakehouse_folder: Path, broker: KafkaBroker
) -> None:
    streaming = {
        "source": "kafka",
        "broker": {"bootstrap_servers": broker.bootstrap_servers},
        "max_events_per_batch": 40,
    }
    tills = opened(spark, lakehouse_folder, streaming)
    now, long_ago = datetime.now(timezone.utc), datetime.now(timezone.utc) - timedelta(hours=2)
    poison = [b'{"sale_id": "s99", "store_id": "\xff\xfe"}', sale(98, long_ago.isoformat())]
    produce(broker, "tills.sales", [*(sale(number, now.isoformat()) for number in range(50)), *poison])
    produce(broker, "tills.payments", [payment(number, now.isoformat()) for number in range(50)])
    ran(tills)
    broker.kill()
    broker.start()
    produce(broker, "tills.sales", [sale(number, now.isoformat()) for number in range(45, 60)])

    ran(tills, "bronze.sales", "silver.sales")

    positions = rows(tills, "bronze.sales", "partition", "offset")
    reasons = [found for (found,) in rows(tills, "silver.sales_quarantine", "_validation_errors")]
    assert len(positions) == len(set(positions)) == 67
    assert tills.read("silver.sales").count() == 60
    assert tills.read("gold.paid_sales").count() == 50
    assert ["event_time_not_late"] in reasons
    assert len(reasons) == 2
    assert all((balance.lost, balance.doubled) == (0, 0) for balance in balances(tills, TILLS))
    lags = tills.read("operations.stream_progress").where("lag_events IS NOT NULL").selectExpr("max(lag_events)")
    assert lags.collect()[0][0] == 12
    closed(tills)
