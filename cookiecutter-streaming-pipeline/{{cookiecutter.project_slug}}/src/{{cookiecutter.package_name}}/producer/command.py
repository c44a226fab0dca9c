"""`produce`: replays real baskets as events, at a rate, for some time."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import takewhile
from pathlib import Path

import click
from databricks_utils.cli.project import Opened, Project, default_environment
from databricks_utils.streaming import StreamPipeline

from {{ cookiecutter.package_name }}.producer.events import Event, Faults, events, read_baskets
from {{ cookiecutter.package_name }}.producer.sinks import BrokerSink, to_files

BASKETS = Path("data") / "baskets.csv"
BROKERS = ("kafka", "event_hubs")
POSITIVE = click.FloatRange(min=0, min_open=True)
NOT_NEGATIVE = click.FloatRange(min=0)
SHARE = click.FloatRange(0, 1)


def produce_command(project: Project[StreamPipeline]) -> click.Command:
    """Return the command for a project."""

    @click.command(name="produce", help="Replay real baskets as events into the configured source.")
    @click.option("--rate", default=100.0, type=POSITIVE, show_default=True, help="Events a second.")
    @click.option("--seconds", default=60.0, type=POSITIVE, show_default=True, help="How long.")
    @click.option("--history", default=0.0, type=NOT_NEGATIVE, help="Seconds of the past to send first, at once.")
    @click.option("--anomaly-after", default=None, type=float, help="Seconds after which a store sells far more.")
    @click.option("--duplicates", default=0.01, type=SHARE, show_default=True, help="Share sent twice.")
    @click.option("--poison", default=0.002, type=SHARE, show_default=True, help="Share that cannot be read.")
    @click.option("--late", default=0.0, type=SHARE, show_default=True, help="Share half an hour old.")
    @click.option("--seed", default=1, show_default=True, help="Of everything that is drawn.")
    @click.option("--start", default=None, metavar="TIME", help="Write events of this time, without living through it.")
    @click.option("--name", "run", default=None, help="Name of this replay; a part of every id.")
    @click.option("--env", "environment", default=default_environment, help="Environment (default: local).")
    @click.option("--project", "folder", default=None, help="Folder of the project (default: found from here).")
    @click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Set a configuration value.")
    def produce(
        rate: float,
        seconds: float,
        history: float,
        anomaly_after: float | None,
        duplicates: float,
        poison: float,
        late: float,
        seed: int,
        start: str | None,
        run: str | None,
        environment: str,
        folder: str | None,
        settings: tuple[str, ...],
    ) -> int:
        overrides = dict(text.partition("=")[::2] for text in settings)
        opened = project.open(environment, folder, **overrides)
        begin = datetime.fromisoformat(start) if start else datetime.now(timezone.utc) - timedelta(seconds=history)
        present = begin + timedelta(seconds=history)
        end = present + timedelta(seconds=seconds)
        run = run or uuid.uuid4().hex[:8]
        after = None if anomaly_after is None else anomaly_after + history
        faults = Faults(duplicates, poison, late, after)
        stream = events(read_baskets(opened.root / BASKETS), begin, rate, run=run, faults=faults, seed=seed)
        tally = Tally(present)
        due = tally.counted(takewhile(lambda event: event.at < end, stream))
        started = time.monotonic()
        sent(opened, run, due if start else _in_time(due))
        click.echo(tally.told(None if start else time.monotonic() - started))
        return 0

    return produce


@dataclass
class Tally:
    """Counts events, those of the past by themselves: they are sent at once, whatever the rate.

    Args:
        present: Where the past ends.
        past: Events before that.
        now: Events since then.
    """

    present: datetime
    past: int = 0
    now: int = 0

    def counted(self, due: Iterable[Event]) -> Iterator[Event]:
        """Yield events as they come, and count them."""
        for event in due:
            if event.at < self.present:
                self.past += 1
            else:
                self.now += 1
            yield event

    def told(self, seconds: float | None) -> str:
        """Return what was sent, and how many a second of what happened meanwhile; None where nobody waited for it."""
        past = f"{self.past:,} events of the past, then " if self.past else ""
        rate = "" if seconds is None else f" in {seconds:,.1f} s, {self.now / max(seconds, 0.001):,.0f} a second"
        return f"{past}{self.now:,} events{rate}"


def sent(opened: Opened, run: str, due: Iterable[Event]) -> int:
    """Send events where the configuration reads them from, and return how many."""
    streaming = opened.configuration.streaming
    if streaming.source not in BROKERS:
        return to_files(Path(opened.configuration.storage.landing), run, due)
    sink, count = BrokerSink(streaming), 0
    for event in due:
        sink.send(event)
        count += 1
    sink.close()
    return count


def _in_time(due: Iterable[Event]) -> Iterator[Event]:
    """Yield each event when its time has come."""
    for event in due:
        wait = (event.at - datetime.now(timezone.utc)).total_seconds()
        if wait > 0:
            time.sleep(wait)
        yield event
