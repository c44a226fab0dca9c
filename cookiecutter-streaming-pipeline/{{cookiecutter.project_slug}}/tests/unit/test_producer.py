from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta, timezone
from itertools import islice, takewhile
from pathlib import Path

import pytest
from databricks_utils.cli import command_line
from databricks_utils.config import Streaming
from databricks_utils.errors import InvalidInput

from {{ cookiecutter.package_name }}.__main__ import PROJECT
from {{ cookiecutter.package_name }}.producer.command import Tally
from {{ cookiecutter.package_name }}.producer.events import (
    CLICKS,
    PAYMENTS,
    SALES,
    TOPICS,
    Event,
    Faults,
    events,
    read_baskets,
)
from {{ cookiecutter.package_name }}.producer.sinks import producer_settings

ROOT = Path(__file__).resolve().parents[2]
BASKETS = read_baskets(ROOT / "data" / "baskets.csv")
START = datetime(2024, 1, 5, 10, tzinfo=timezone.utc)
CLEAN = Faults(duplicate=0, poison=0)


def first(seconds: float, faults: Faults = CLEAN, rate: float = 50.0) -> list[Event]:
    end = START + timedelta(seconds=seconds)
    return list(takewhile(lambda event: event.at < end, events(BASKETS, START, rate, run="t", faults=faults)))


def test_the_same_arguments_give_the_same_events_in_the_order_of_their_time() -> None:
    found = first(20)

    assert found == first(20)
    assert found == sorted(found)


def test_the_rate_is_kept_on_average() -> None:
    # The first payments follow their sales by up to twenty seconds.
    steady = [event for event in first(120) if event.at >= START + timedelta(seconds=20)]

    assert len(steady) / 100 == pytest.approx(50, rel=0.05)


def test_what_is_sent_at_once_of_the_past_does_not_count_for_the_rate() -> None:
    tally = Tally(START + timedelta(seconds=100))

    sent = list(tally.counted(first(120)))

    assert (tally.past + tally.now, tally.past > 4 * tally.now) == (len(sent), True)
    assert tally.told(20.0) == (
        f"{tally.past:,} events of the past, then {tally.now:,} events in 20.0 s, {tally.now / 20:,.0f} a second"
    )
    assert Tally(START, now=1200).told(None) == "1,200 events"


def test_sales_have_the_amounts_of_the_real_baskets() -> None:
    sales = [json.loads(event.value) for event in first(20) if event.topic == SALES]

    assert [sale["amount"] for sale in sales[:5]] == [f"{basket.cents / 100:.2f}" for basket in BASKETS[:5]]
    assert len({sale["sale_id"] for sale in sales}) == len(sales)


def test_payments_follow_their_sales() -> None:
    found = [(event.topic, json.loads(event.value)) for event in first(120)]
    sold = {content["sale_id"]: content["event_time"] for topic, content in found if topic == SALES}
    payments = [content for topic, content in found if topic == PAYMENTS]

    assert payments
    assert all(content["event_time"] > sold[content["sale_id"]] for content in payments)


def test_faults_are_as_frequent_as_they_are_asked_for() -> None:
    found = first(400, Faults(duplicate=0.1, poison=0.05, late=0.02))
    repeated = sum(count - 1 for count in Counter((event.at, event.value) for event in found).values())
    broken = sum(not event.value.endswith(b"}") for event in found)

    assert repeated / len(found) == pytest.approx(0.1 / 1.1, rel=0.15)
    assert broken / len(found) == pytest.approx(0.05, rel=0.15)


def test_in_an_anomaly_one_store_sells_everything_for_more() -> None:
    found = first(120, Faults(duplicate=0, poison=0, anomaly_after=30))
    sales = [(event.at, json.loads(event.value)) for event in found if event.topic == SALES]
    rush = [sale for at, sale in sales if 30 <= (at - START).total_seconds() < 90]
    rest = [sale for at, sale in sales if (at - START).total_seconds() < 30]

    assert {sale["store_id"] for sale in rush} == {BASKETS[0].store_id}
    assert len({sale["store_id"] for sale in rest}) > 1


def test_produce_writes_whole_files_for_a_stream_of_files(project_copy: Path) -> None:
    arguments = ["--seconds", "30", "--rate", "10", "--start", "2024-01-05T10:00:00+00:00", "--name", "more"]

    code = command_line(PROJECT, ["produce", *arguments, "--project", str(project_copy)])

    landing = project_copy / "data" / "landing"
    counts = {topic: len((landing / topic / "more.jsonl").read_bytes().splitlines()) for topic in TOPICS}
    assert code == 0
    assert all(counts[topic] > 0 for topic in (SALES, PAYMENTS, CLICKS))
    assert not list(landing.rglob("*.partial"))


def test_the_client_signs_in_as_the_streams_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBS__STRING", "Endpoint=sb://x/;SharedAccessKey=k")
    broker = {"bootstrap_servers": "x.servicebus.windows.net:9093", "authentication": "event_hubs_sas"}
    section = {"source": "event_hubs", "broker": {**broker, "secret": "secret://hubs/string"}}

    settings = producer_settings(Streaming.model_validate(section))

    assert settings["sasl.username"] == "$ConnectionString"
    assert settings["sasl.password"] == "Endpoint=sb://x/;SharedAccessKey=k"
    assert settings["security.protocol"] == "SASL_SSL"


def test_a_way_to_sign_in_that_the_client_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBS__ENTRA", "s")
    login = {"authentication": "event_hubs_entra", "tenant_id": "t", "client_id": "c", "secret": "secret://hubs/entra"}
    section = {"source": "event_hubs", "broker": {"bootstrap_servers": "x.servicebus.windows.net:9093", **login}}

    with pytest.raises(InvalidInput, match="cannot sign in"):
        producer_settings(Streaming.model_validate(section))


def test_events_never_end() -> None:
    assert len(list(islice(events(BASKETS, START, 1000.0, run="t"), 3 * len(BASKETS) * 4))) == 12 * len(BASKETS)
