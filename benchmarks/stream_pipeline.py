"""The streaming template's own pipeline on a real broker, as a process to be measured.

`fill` puts sales on the broker, `layers` works them off table by table and says how long each took, `lag` says how old
events were when a table had them and what the state of the windows cost, `alerts` says how old events were when an
alert about them was on the broker.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

PACKAGE = "point_of_sale_streams"  # the name that the template's defaults give
TABLES = ("bronze.sales", "silver.sales", "gold.agg_store_minutes")
#: Event times of the sales lie within so many seconds: far less than an event may be late.
SPREAD_SECONDS = 300


def opened(project: Path, settings: dict[str, str]) -> Any:
    """Return the project of a baked template, and the definition of its streams."""
    sys.path.insert(0, str(project / "src"))
    definition = __import__(f"{PACKAGE}.__main__", fromlist=["PROJECT"]).PROJECT
    return definition, definition.open("local", str(project), **settings)


def fill(project: Path, settings: dict[str, str], sales: int) -> dict[str, float]:
    """Send sales of the last minutes to the broker; return how many a second that were."""
    _, found = opened(project, settings)
    made = __import__(f"{PACKAGE}.producer.events", fromlist=["events"])
    sinks = __import__(f"{PACKAGE}.producer.sinks", fromlist=["BrokerSink"])
    rate = sales * made.EVENTS_PER_SALE / SPREAD_SECONDS
    begin = datetime.now(timezone.utc) - timedelta(seconds=SPREAD_SECONDS)
    replay = made.events(made.read_baskets(project / "data" / "baskets.csv"), begin, rate, run="bench")
    chosen = list(islice((event for event in replay if event.topic == made.SALES), sales))
    started = time.perf_counter()
    sink = sinks.BrokerSink(found.configuration.streaming)
    for event in chosen:
        sink.send(event)
    sink.close()
    return {"producer": len(chosen) / (time.perf_counter() - started)}


def layers(project: Path, settings: dict[str, str]) -> dict[str, float]:
    """Work off what the broker holds; return events a second of the source alone, and of each table, cold and warm."""
    from databricks_utils.config.secrets import secrets_of_place
    from databricks_utils.streaming import run_streams, source_options

    definition, found = opened(project, settings)
    lakehouse = found.lakehouse()
    spark = lakehouse.spark
    options = source_options(found.configuration.streaming, "pos.sales", secrets_of_place())
    options.pop("maxOffsetsPerTrigger", None)
    events = spark.read.format("kafka").options(**options).load()
    count = events.count()  # also warms up what reads the broker
    rates = {"source": count / _seconds(lambda: events.write.format("noop").mode("overwrite").save())}
    for table in TABLES:
        started = time.perf_counter()
        result = run_streams(lakehouse, definition.pipeline, tables=[table])
        spent = time.perf_counter() - started
        (row,) = result.tables
        if row.error or not row.rows_read:
            raise SystemExit(f"{table}: {row.error or 'nothing was read'}")
        rates[table] = row.rows_read / spent
        rates[f"{table} warm"] = _warm(lakehouse, table)
    spark.stop()
    return rates


def _warm(lakehouse: Any, table: str) -> float:
    """Return events a second of the second half of a table's batches: the first ones wait for Java to compile."""
    done = lakehouse.read("operations.stream_progress").where(f"query = '{table}' AND input_rows > 0")
    batches = done.orderBy("batch_id").select("input_rows", "duration_seconds").collect()
    late = batches[len(batches) // 2 :]
    return float(sum(batch.input_rows for batch in late) / sum(batch.duration_seconds for batch in late))


def lag(project: Path, settings: dict[str, str], since: str, until: str) -> dict[str, float]:
    """Return how old the events between two moments were when each table had them, in seconds; and backlog and state.

    A table has events when their commit is there for everybody to read, which is later than any column of theirs says:
    Spark gives the rows of a batch the time of its begin. Backlog are the events of a topic that bronze had not read
    when a batch was done, state the bytes of the windows.
    """
    _, found = opened(project, settings)
    lakehouse = found.lakehouse()
    found_lags: dict[str, float] = {}
    for table, moment in (("bronze.sales", "timestamp"), ("silver.sales", "event_time")):
        commits = lakehouse.spark.createDataFrame(_committed(lakehouse.folder(table)), "file STRING, at DOUBLE")
        stored = lakehouse.read(table).where(f"{moment} >= TIMESTAMP '{since}'")
        rows = stored.selectExpr(f"unix_micros({moment}) / 1e6 AS occurred", "_metadata.file_name AS file")
        ages = rows.join(commits, "file").selectExpr("at - occurred AS age")
        row = ages.selectExpr("percentile_approx(age, array(0.5, 0.95)) AS p", "count(*) AS n").collect()[0]
        found_lags |= {f"{table} p50": row.p[0], f"{table} p95": row.p[1], f"{table} events": float(row.n)}
    batches = (
        lakehouse.read("operations.stream_progress")
        .where(f"input_rows > 0 AND started_at BETWEEN TIMESTAMP '{since}' AND TIMESTAMP '{until}'")
        .orderBy("started_at")
        .collect()
    )
    windows = [batch for batch in batches if batch.query == TABLES[2]]
    found_lags["state batch p50"] = _middle([batch.duration_seconds for batch in windows])
    state = [batch.state_bytes for batch in windows]
    backlog = [batch.lag_events for batch in batches if batch.query == TABLES[0]]
    # The bytes of a state store go up and down with its flushes: thirds are compared, not single batches.
    for name, values in (("state bytes", state), ("backlog", backlog)):
        third = max(1, len(values) // 3)
        found_lags[f"{name} early"] = _middle(values[:third])
        found_lags[f"{name} late"] = _middle(values[-third:])
    lakehouse.spark.stop()
    return found_lags


def _committed(table: Path) -> list[tuple[str, float]]:
    """Return the files of a table, each with the time of its commit in seconds since 1970."""
    return [
        (unquote(line["add"]["path"]).rpartition("/")[2], commit.stat().st_mtime)
        for commit in (table / "_delta_log").glob("*.json")
        for line in map(json.loads, commit.read_text(encoding="utf-8").splitlines())
        if "add" in line
    ]


def _middle(values: Sequence[float]) -> float:
    """Return the median; NaN where a table had no batch within the time."""
    return statistics.median(values) if values else math.nan


def alerts(project: Path, settings: dict[str, str], since: str) -> dict[str, float]:
    """Return how many seconds after the event its alert was on the broker, for events since a moment, by quantile.

    The age is that of the broker's own stamp of the alert, so what reads the topic afterwards costs nothing.
    """
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer(
        {"bootstrap.servers": settings["streaming.broker.bootstrap_servers"], "group.id": "bench", "log_level": 0}
    )
    topic = "pos.alerts"
    partitions = consumer.list_topics(topic).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
    begin, ages = datetime.fromisoformat(f"{since}+00:00"), []
    while (message := consumer.poll(5)) is not None:
        value = json.loads(message.value() or b"null")
        event = datetime.fromisoformat(value["event_time"].replace("Z", "+00:00"))
        if event >= begin:
            ages.append(message.timestamp()[1] / 1000 - event.timestamp())
    consumer.close()
    if len(ages) < 100:
        raise SystemExit(f"{len(ages)} alerts are too few for a quantile")
    quantiles = statistics.quantiles(ages, n=100)
    return {"p50": quantiles[49], "p95": quantiles[94], "p99": quantiles[98], "alerts": float(len(ages))}


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Do one of these, as a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["fill", "layers", "lag", "alerts"])
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--result", type=Path, required=True)
    parser.add_argument("--sales", type=int, default=400_000)
    parser.add_argument("--since", default="1970-01-01")
    parser.add_argument("--until", default="9999-12-31")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    settings = dict(item.split("=", 1) for item in options.set)
    match options.what:
        case "fill":
            found = fill(options.project, settings, options.sales)
        case "layers":
            found = layers(options.project, settings)
        case "alerts":
            found = alerts(options.project, settings, options.since)
        case _:
            found = lag(options.project, settings, options.since, options.until)
    options.result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
