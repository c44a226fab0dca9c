"""A real broker: what it holds arrives once, whatever it holds, also when it dies between two runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from little_broker import (
    CONNECTION_STRING,
    PAYMENTS,
    SALES,
    event_hubs_lookalike,
    now,
    poison,
    produce,
)
from little_hook import TOKEN, listening
from little_tills import TILLS, closed, opened, payment, ran, rows, sale
from pyspark.sql import SparkSession

from databricks_utils.config import EnvironmentSecrets
from databricks_utils.errors import RunFailed
from databricks_utils.streaming import Delivery, StreamBronze, StreamPipeline, balances, delivery, run_streams
from databricks_utils.testing import KafkaBroker

pytestmark = pytest.mark.broker
Hubs = tuple[KafkaBroker, str, Path]
HUB = StreamPipeline("hub", StreamBronze("sales", topic="hub"))


@pytest.fixture(scope="module")
def hubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hubs]:
    """Return a broker with an open listener and one like that of Event Hubs, its address, and its certificate."""
    broker, address, certificate = event_hubs_lookalike(tmp_path_factory.mktemp("hubs"))
    with broker as running:
        for topic in (SALES, PAYMENTS):
            running.create_topic(topic)
        yield running, address, certificate


def kafka(broker: KafkaBroker, **more: object) -> dict[str, object]:
    return {"source": "kafka", "broker": {"bootstrap_servers": broker.bootstrap_servers}, **more}


def event_hubs(hubs: Hubs) -> dict[str, object]:
    _, address, certificate = hubs
    login = {"authentication": "event_hubs_sas", "secret": "secret://hubs/key", "ca_file": str(certificate)}
    return {"source": "event_hubs", "broker": {"bootstrap_servers": address, **login}}


@pytest.mark.matrix
def test_poison_of_every_kind_is_in_the_quarantine_once_and_stops_nobody(
    spark: SparkSession, lakehouse_folder: Path, hubs: Hubs
) -> None:
    tills = opened(spark, lakehouse_folder, kafka(hubs[0]))
    long = {**sale(7, now().isoformat()), "remark": "x" * 10**6}
    produce(hubs[0], SALES, [sale(1, now().isoformat()), *poison(), long])
    ran(tills, "bronze.sales", "silver.sales")
    hubs[0].kill()
    hubs[0].start()
    produce(hubs[0], SALES, [sale(1, now().isoformat()), sale(2, now().isoformat())])

    ran(tills, "bronze.sales", "silver.sales")

    reasons = rows(tills, "silver.sales_quarantine", "_validation_errors")
    (balance,) = balances(tills, TILLS, ["silver.sales"])
    assert rows(tills, "silver.sales", "sale_id") == [("s1",), ("s2",), ("s7",)]
    assert len(reasons) == len(poison())
    assert all(found for (found,) in reasons)
    assert {("event_time_not_late",), ("event_time_not_future",)} <= {tuple(found) for (found,) in reasons}  # type: ignore[arg-type]  # lists
    assert (balance.missing, balance.lost, balance.doubled) == (0, 0, 0)
    closed(tills)


def test_event_hubs_are_read_with_their_connection_string_and_a_wrong_key_is_refused_in_words(
    spark: SparkSession,
    lakehouse_folder: Path,
    hubs: Hubs,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    variable = EnvironmentSecrets.variable("hubs", "key")
    hubs[0].create_topic("hub", partitions=1)
    produce(hubs[0], "hub", [sale(number, now().isoformat()) for number in range(3)])
    tills = opened(spark, lakehouse_folder, event_hubs(hubs))
    monkeypatch.setenv(variable, CONNECTION_STRING.replace("bGlz", "d3Jv"))

    refused = run_streams(tills, HUB)
    monkeypatch.setenv(variable, CONNECTION_STRING)
    read = run_streams(tills, HUB)

    said = str(refused.tables[0].error)
    assert refused.exit_code == 1
    assert "the broker refused the login" in said
    assert "streaming.broker.secret" in said
    assert "d3Jv" not in said + caplog.text
    assert "Traceback" not in caplog.text
    assert (read.exit_code, read.tables[0].rows_written) == (0, 3)
    closed(tills)


def test_alerts_reach_topic_and_webhook_and_after_a_refusal_both_again_under_the_same_ids(
    spark: SparkSession, hubs: Hubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = delivery.MOST_POSTED + 2
    broker = hubs[0]
    broker.create_topic("alerts", partitions=1)
    # Two columns name an alert, so that a message's key has both.
    found = [(f"{number:03}", 1 + number % 2, Decimal("0.10") * number) for number in range(many)]
    alerts = spark.createDataFrame(found[::-1], "alert_id STRING, store_id INT, amount DECIMAL(18,2)")
    values = [{"alert_id": name, "store_id": store, "amount": float(amount)} for name, store, amount in found]
    # No pause between two posts is needed here.
    monkeypatch.setattr(delivery, "ATTEMPTS", 1)
    with listening() as hook:
        told = Delivery("alerts", {"kafka.bootstrap.servers": broker.bootstrap_servers}, hook.address)
        hook.answers = [503]

        with pytest.raises(RunFailed, match="No answer from the webhook") as raised:
            told.tell(alerts, ["alert_id", "store_id"])
        first = read(broker, "alerts", many)
        told.tell(alerts, ["alert_id", "store_id"])

    assert sorted(first, key=str) == [(f"{value['alert_id']}|{value['store_id']}", value) for value in values]
    assert sorted(read(broker, "alerts", 2 * many), key=str) == sorted(first * 2, key=str)
    assert hook.taken == [{"alerts": values[: delivery.MOST_POSTED], "total": many}]
    assert TOKEN not in str(raised.value) + repr(told)


def read(broker: KafkaBroker, topic: str, number: int) -> list[tuple[str, object]]:
    """Return key and value of all messages of a topic's only partition; so many must be there."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "test", "log_level": 0})
    place = TopicPartition(topic, 0, OFFSET_BEGINNING)
    assert consumer.get_watermark_offsets(place, timeout=60) == (0, number)
    consumer.assign([place])
    messages = consumer.consume(number, timeout=60)
    consumer.close()
    assert len(messages) == number
    return [(message.key().decode(), json.loads(message.value())) for message in messages]


@pytest.mark.matrix
def test_events_of_a_broker_reach_every_table_once_also_when_it_dies_in_between(
    spark: SparkSession, lakehouse_folder: Path, tmp_path: Path
) -> None:
    with KafkaBroker(tmp_path / "broker") as broker:
        for topic in (SALES, PAYMENTS):
            broker.create_topic(topic)
        tills = opened(spark, lakehouse_folder, kafka(broker, max_events_per_batch=40))
        moment = now().isoformat()
        produce(broker, SALES, [sale(number, moment) for number in range(52)])
        produce(broker, PAYMENTS, [payment(number, moment) for number in range(50)])
        ran(tills)
        broker.kill()
        broker.start()
        produce(broker, SALES, [sale(number, moment) for number in range(47, 60)])

        ran(tills, "bronze.sales", "silver.sales")

        positions = rows(tills, "bronze.sales", "partition", "offset")
        assert len(positions) == len(set(positions)) == 65
        assert tills.read("silver.sales").count() == 60
        assert tills.read("gold.paid_sales").count() == 50
        assert all((balance.lost, balance.doubled) == (0, 0) for balance in balances(tills, TILLS))
    lags = tills.read("operations.stream_progress").where("lag_events IS NOT NULL").selectExpr("max(lag_events)")
    # The batch's limit is shared among the partitions by what they hold, and each share is rounded.
    assert lags.collect()[0][0] in (12, 13)
    closed(tills)
