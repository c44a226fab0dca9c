"""The experiments with streams: rates of each layer beside the source's own, a steady load, the way to an alert."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from databricks_utils.session.settings import UNTUNED
from databricks_utils.testing import KafkaBroker

from benchmarks.experiments import WORK, Bench, Row
from benchmarks.stream_pipeline import PACKAGE, TABLES
from benchmarks.template_pipeline import ROOT, baked

TEMPLATE = "cookiecutter-streaming-pipeline"
TOPICS = ("pos.sales", "pos.payments", "pos.clicks", "pos.alerts")
SALES, SALES_OF_DEFAULTS = 400_000, 60_000
#: Steady loads: events a second, for how many seconds, and whether Java compiles less, which suits small batches.
LOADS = ((1_000, 600, True), (10_000, 300, False))
#: Events a second while alerts are timed, for how long, and the amount from which a sale is told: every second or so.
ALERT_RATE, ALERT_SECONDS, ALERT_AMOUNT = 1_000, 120, 10
#: A steady load is looked at when the streams have started.
WARM_UP_SECONDS = 45


def stream_rates(bench: Bench) -> list[Row]:
    """Work off one topic with our settings and with Spark's; return rates and their share of the source's own."""
    project = baked(WORK / "stream-project", TEMPLATE)
    rows: list[Row] = []
    ways: dict[str, tuple[int, Sequence[str]]] = {
        "settings of the template": (SALES, ()),
        "settings of Spark": (SALES_OF_DEFAULTS, ["spark.settings=" + json.dumps(dict(UNTUNED))]),
    }
    for way, (sales, extra) in ways.items():
        with _broker("rates") as (broker, settings):
            producer = _child("fill", project, [*settings, *extra], "--sales", str(sales))["producer"]
            rates = _child("layers", project, [*settings, *extra])
            print(way, producer, rates, flush=True)
            del broker
        rows.append((way, "source", f"{rates['source']:,.0f}", "", "1.00"))
        for name in TABLES:
            warm = rates[f"{name} warm"]
            rows.append((way, name, f"{rates[name]:,.0f}", f"{warm:,.0f}", f"{warm / rates['source']:.2f}"))
    return rows


def stream_steady(bench: Bench) -> list[Row]:
    """Produce at a rate beside the running streams; return ages of events on arrival, and what was lost."""
    project = baked(WORK / "stream-project", TEMPLATE)
    rows: list[Row] = []
    for rate, seconds, short in LOADS:
        with _broker(f"steady-{rate}") as (_, settings):
            streams = [*settings, "streaming.trigger=processing_time", "streaming.interval_seconds=2"]
            streams.append(f"spark.short_runs={str(short).lower()}")
            started, begin = datetime.now(timezone.utc), time.monotonic()
            running = _start(project, "run", "--for-seconds", str(seconds + 20), settings=streams)
            said = _end(_start(project, "produce", "--rate", str(rate), "--seconds", str(seconds), settings=settings))
            produced = time.monotonic() - begin
            _end(running)
            after = time.monotonic() - begin - produced
            _end(_start(project, "run", settings=settings))
            verdict = _end(_start(project, "verify", settings=settings))
            since = f"{started + timedelta(seconds=WARM_UP_SECONDS):%Y-%m-%d %H:%M:%S}"
            until = f"{started + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}"
            ages = _child("lag", project, settings, "--since", since, "--until", until)
        print(rate, said, after, verdict, ages, flush=True)
        reached = said.strip().splitlines()[-1].rpartition(", ")[2]
        whole = "nothing lost or doubled" if "nothing is lost and nothing doubled" in verdict else "DIFFERS"
        times = [f"{ages[f'{table} {part}']:.1f} s" for table in TABLES[:2] for part in ("p50", "p95")]
        state = f"{ages['state bytes early'] / 2**20:.2f} → {ages['state bytes late'] / 2**20:.2f} MB"
        backlog = f"{ages['backlog early']:,.0f} → {ages['backlog late']:,.0f}"
        load = f"{rate:,} a second for {seconds / 60:.0f} min"
        batch = f"{ages['state batch p50']:.1f} s"
        rows.append((load, reached, *times, backlog, f"{after:.0f} s", batch, state, whole))
    return rows


def stream_alerts(bench: Bench) -> list[Row]:
    """Produce at a rate beside the job of single events; return how old events were when their alert was there."""
    project = baked(WORK / "stream-project", TEMPLATE)
    rows: list[Row] = []
    for mode in ("micro-batch", "real-time"):
        # Real-time mode holds a core for each partition of the topic.
        with _broker(f"alerts-{mode}", partitions=1) as (_, settings):
            started = datetime.now(timezone.utc)
            told = [*settings, f"streaming.alerts.topic={TOPICS[-1]}", f"parameters.large_amount={ALERT_AMOUNT}"]
            until = str(ALERT_SECONDS + 20)
            telling = _start(project, "alert", "--mode", mode, "--for-seconds", until, settings=told)
            rate, seconds = str(ALERT_RATE), str(ALERT_SECONDS)
            _end(_start(project, "produce", "--rate", rate, "--seconds", seconds, settings=settings))
            _end(telling)
            since = f"{started + timedelta(seconds=ALERT_SECONDS / 2):%Y-%m-%d %H:%M:%S}"
            ages = _child("alerts", project, settings, "--since", since)
        print(mode, ages, flush=True)
        times = [f"{ages[part]:.3f} s" for part in ("p50", "p95", "p99")]
        rows.append((mode, *times, f"{ages['alerts']:,.0f}"))
    return rows


@contextmanager
def _broker(name: str, partitions: int = 2) -> Iterator[tuple[KafkaBroker, list[str]]]:
    """Start a broker, and give the settings that let the project read from it into empty tables."""
    folder = WORK / "runs" / f"stream-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with KafkaBroker(folder / "broker") as broker:
        for topic in TOPICS:
            broker.create_topic(topic, partitions)
        values = {
            "streaming.source": "kafka",
            "streaming.broker.bootstrap_servers": broker.bootstrap_servers,
            "streaming.max_events_per_batch": "50000",
            "storage.warehouse": str(folder / "warehouse"),
            "storage.checkpoints": str(folder / "checkpoints"),
            "storage.reports": str(folder / "reports"),
            "spark.short_runs": "false",
            "spark.memory": "3g",
        }
        yield broker, [f"{key}={value}" for key, value in values.items()]


def _child(what: str, project: Path, settings: Sequence[str], *arguments: str) -> dict[str, float]:
    result = WORK / "runs" / f"stream-{what}.json"
    command = [sys.executable, "-m", "benchmarks.stream_pipeline", what, "--project", str(project)]
    words = [word for item in settings for word in ("--set", item)]
    subprocess.run([*command, "--result", str(result), *words, *arguments], cwd=ROOT, check=True)
    found: dict[str, float] = json.loads(result.read_text(encoding="utf-8"))
    return found


def _start(project: Path, *words: str, settings: Sequence[str]) -> subprocess.Popen[str]:
    options = [word for item in settings for word in ("--set", item)]
    environment = {**os.environ, "PYTHONPATH": str(project / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", PACKAGE, *words, *options]
    return subprocess.Popen(command, cwd=project, env=environment, text=True, stdout=subprocess.PIPE)


def _end(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{process.args!r} ended with {process.returncode}\n{said}")
    return said
