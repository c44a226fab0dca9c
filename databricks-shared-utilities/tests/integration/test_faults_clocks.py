"""Clocks that are changed, by law twice a year or by hand: moments, days and the newest version stay what they are."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from little_shop import SHOP, closed, contents, land, landing, opened, succeeded, with_visits
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from databricks_utils.contracts import Column, Contract
from databricks_utils.data_quality import cast_to_contract
from databricks_utils.features import as_of
from databricks_utils.medallion import Lakehouse, Lookup, Pipeline, Silver, bronze, run_pipeline
from databricks_utils.observability import RunStore

ZONE = "spark.sql.session.timeZone"
HEADER = "order_id,customer_id,ordered_on,amount,revision\n"
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
#: Local times at which clocks are changed: forward and back, by an hour and by half of one, and at midnight.
CHANGES = {
    "UTC": (datetime(2024, 3, 31, 2), datetime(2024, 10, 27, 3)),
    "Europe/Berlin": (datetime(2024, 3, 31, 2), datetime(2024, 10, 27, 3)),
    "America/New_York": (datetime(2024, 3, 10, 2), datetime(2024, 11, 3, 2)),
    "Australia/Lord_Howe": (datetime(2024, 4, 7, 2), datetime(2024, 10, 6, 2)),
    "America/Sao_Paulo": (datetime(2018, 11, 4, 0), datetime(2019, 2, 17, 0)),
}
TIMES = Contract(
    *("silver", "times", "1.0.0", "active", "", ""),
    columns=(
        Column("local", "TIMESTAMP"),
        Column("written", "TIMESTAMP", options={"format": "d.M.yyyy HH:mm"}),
        Column("zoned", "TIMESTAMP"),
        Column("wall", "TIMESTAMP_NTZ"),
        Column("day", "DATE"),
    ),
    path=Path("silver/times.yaml"),
)


@contextmanager
def living_in(spark: SparkSession, zone: str, process: str = "UTC") -> Iterator[None]:
    """Give the session a time zone, and this process one."""
    before = spark.conf.get(ZONE), os.environ["TZ"]
    try:
        in_zones(spark, zone, process)
        yield
    finally:
        in_zones(spark, *before)


def in_zones(spark: SparkSession, zone: str | None, process: str) -> None:
    assert zone is not None
    spark.conf.set(ZONE, zone)
    os.environ["TZ"] = process
    time.tzset()


def micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)


@pytest.mark.parametrize("zone", CHANGES)
def test_times_around_a_change_of_clocks_are_read_as_python_reads_them(spark: SparkSession, zone: str) -> None:
    walls = [change + 10 * MINUTE * step for change in CHANGES[zone] for step in range(-18, 19)]
    # Without an offset: the offset before the change counts in the hour left out, and in the one that comes twice.
    first = [wall.replace(tzinfo=ZoneInfo(zone)) for wall in walls]
    second = [moment.replace(fold=1).astimezone(timezone.utc).astimezone(ZoneInfo(zone)) for moment in first]
    texts = [
        (str(wall), f"{wall:%-d.%-m.%Y %H:%M}", moment.isoformat(), str(wall), str(wall.date()))
        for wall, moment in zip(walls, second, strict=True)
    ]
    names = [column.name for column in TIMES.columns]
    rows = spark.createDataFrame(texts, ", ".join(f"{name} STRING" for name in names)).coalesce(1)
    shown = ["unix_micros(local)", "unix_micros(written)", "unix_micros(zoned)", "string(wall)", "string(day)"]

    with living_in(spark, zone):
        found = cast_to_contract(rows, TIMES).selectExpr(*shown, "_cast_errors").collect()

    assert [tuple(row) for row in found] == [
        (micros(early), micros(early), micros(late), str(wall), str(wall.date()), [])
        for wall, early, late in zip(walls, first, second, strict=True)
    ]
    twice = sum(micros(early) != micros(late) for early, late in zip(first, second, strict=True))
    assert (twice > 0) == (zone != "UTC")


def test_a_pipeline_makes_the_same_tables_in_every_time_zone(spark: SparkSession, tmp_path: Path) -> None:
    days = [change.date() + DAY * step for change in CHANGES["Europe/Berlin"] for step in range(-3, 4)]
    states = [day for day in days if day.day % 2]
    land(
        tmp_path / "landing",
        {
            "orders/1.csv": HEADER + "".join(f"{n},10,{day},1.00,1\n" for n, day in enumerate(days)),
            "customers/1.jsonl": "".join(f'{{"customer_id":10,"seen_on":"{day}","city":"{day}"}}\n' for day in states),
        },
    )
    shop = opened(spark, tmp_path)

    with living_in(spark, "Europe/Berlin", "America/Sao_Paulo"):
        run = succeeded(run_pipeline(shop, SHOP))
        (noted,) = RunStore(shop.namespace).latest(spark)
        found = contents(shop)
        states_of = shop.read("gold.dim_customer").where("customer_key <> -1")
        cities = states_of.selectExpr("customer_key", "string(effective_start_date) AS since")
        facts = shop.read("gold.fact_orders").join(cities, "customer_key").collect()

    assert noted.started_at == run.started_at
    assert {row.order_id: row.since for row in facts} == {
        number: str(max(state for state in states if state <= day))
        for number, day in enumerate(days)
        if day >= min(states)
    }
    assert contents(shop) == found
    closed(shop)


def test_what_was_known_at_a_moment_is_the_same_in_every_time_zone(spark: SparkSession) -> None:
    hours = [
        micros(change.replace(tzinfo=timezone.utc)) + 3_600_000_000 * step
        for change in CHANGES["Europe/Berlin"]
        for step in range(-30, 31)
    ]
    known = [hour for number, hour in enumerate(hours) if number % 27 == 0]
    day = 86_400_000_000

    def looked_up() -> dict[int, int | None]:
        rows = spark.createDataFrame([(1, hour) for hour in known], "customer INT, at BIGINT")
        labels = spark.createDataFrame([(1, hour) for hour in hours], "customer INT, at BIGINT")
        joined = as_of(
            labels.select("customer", F.expr("timestamp_micros(at) AS moment"), F.col("at").alias("label")),
            rows.select("customer", F.expr("timestamp_micros(at) AS available_at"), F.col("at").alias("value")),
            timestamp="moment",
            entity={"customer": "customer"},
            columns=["value"],
            ttl_days=1,
        )
        return {row.label: row.value for row in joined.select("label", "value").collect()}

    with living_in(spark, "Europe/Berlin", "America/New_York"):
        found = looked_up()

    newest = {hour: max(value for value in known if value <= hour) for hour in hours}
    assert found == {hour: value if hour - value < day else None for hour, value in newest.items()}
    assert None in found.values()


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path, spark_mode: str) -> Iterator[Lakehouse]:
    if spark_mode == "connect":
        pytest.skip("a batch of bronze is written in the server's own Python, whose clock no test sets")
    land(tmp_path / "landing", {"orders/5.csv": order("5.00"), "customers/1.jsonl": customer(1)})
    lakehouse = opened(spark, tmp_path)
    yield lakehouse
    closed(lakehouse)


def order(amount: str) -> str:
    return f"{HEADER}1,10,2024-01-05,{amount},1\n"


def customer(month: int) -> str:
    return f'{{"customer_id":10,"seen_on":"2024-{month:02}-01","city":"Rome"}}\n'


VISITS = Pipeline(
    "visits",
    *(node for node in SHOP.nodes if node.layer == "bronze" or node.table == "silver.customers"),
    Silver(
        "orders",
        reads="bronze.orders",
        lookups=[Lookup("silver.customers", on="customer_id")],
        transform=with_visits,
    ),
)


def test_of_two_versions_the_one_received_later_stays_though_the_clock_was_set_back(
    shop: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)
    # By name the second file comes first, so that nothing but the order of receipt speaks for it.
    deliveries = (
        (noon, {}),
        (noon - 2 * DAY, {"orders/1.csv": order("7.00")}),
        (noon - DAY, {"customers/2.jsonl": customer(2)}),
    )
    amounts = []
    for moment, files in deliveries:
        monkeypatch.setattr(bronze, "clock", lambda moment=moment: micros(moment))
        land(landing(shop), files)
        succeeded(run_pipeline(shop, VISITS))
        amounts.append([str(row.amount) for row in shop.read("silver.orders").collect()])
    step_by_step = contents(shop, ["silver.orders"])

    succeeded(run_pipeline(shop, VISITS, tables=["silver.orders"], full_refresh=True))

    # The third run computes the order again, since its lookup has moved.
    assert amounts == [["6.00"], ["8.00"], ["9.00"]]
    assert contents(shop, ["silver.orders"]) == step_by_step


def test_rows_are_stamped_with_utc_in_the_order_of_their_receipt_whatever_the_clock_shows(
    shop: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = Pipeline("intake", *(node for node in SHOP.nodes if node.table == "bronze.orders"))
    # Around the change of clocks in Berlin, where a day begins at 23 h UTC before it and at 22 h after; then set back.
    shown = [
        datetime(2024, 3, 30, 22, 59, tzinfo=timezone.utc),
        datetime(2024, 3, 30, 23, 30, tzinfo=timezone.utc),
        datetime(2024, 3, 31, 22, 30, tzinfo=timezone.utc),
        datetime(2024, 3, 31, 1, 0, tzinfo=timezone.utc),
        datetime(2024, 3, 31, 22, 30, tzinfo=timezone.utc),
    ]
    with living_in(shop.spark, "Europe/Berlin", "America/New_York"):
        for number, moment in enumerate(shown):
            monkeypatch.setattr(bronze, "clock", lambda moment=moment: micros(moment))
            land(landing(shop), {f"orders/{number}.csv": order(str(number))} if number else {})
            succeeded(run_pipeline(shop, intake))
        stamps = "amount", "unix_micros(_ingestion_timestamp) AS moment", "string(_ingestion_date) AS day"
        rows = shop.read("bronze.orders").selectExpr(*stamps).orderBy("moment").collect()

    latest = micros(shown[2])
    assert [row.amount for row in rows] == ["5.00", "1", "2", "3", "4"]
    assert [row.moment for row in rows] == [micros(shown[0]), micros(shown[1]), latest, latest + 1, latest + 2]
    assert [date.fromisoformat(row.day) for row in rows] == [moment.date() for moment in shown]
