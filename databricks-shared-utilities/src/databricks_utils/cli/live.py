"""Streams while they run: a table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone

from rich import box
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from databricks_utils.observability import RunResult, TableResult, print_table
from databricks_utils.streaming import Balance, BatchProgress
from databricks_utils.streaming.pace import Listener

#: Pause between two lines where nobody looks at a terminal.
LINE_SECONDS = 10.0

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(timezone.utc)


def progress_table(newest: Mapping[str, BatchProgress], now: datetime) -> Table:
    """Return rows so far, rates, lag, age and state of each stream, and how long ago its newest batch was done."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("stream", overflow="fold", min_width=12)
    for name in ("rows", "in/s", "done/s", "lag", "newest event", "state", "ago"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, batch in newest.items():
        age = batch.event_age_seconds
        table.add_row(
            name,
            f"{batch.rows_so_far:,}",
            f"{batch.input_rows_per_second:,.0f}",
            f"{batch.processed_rows_per_second:,.0f}",
            _lag(batch),
            "" if age is None else f"-{age:,.0f} s",
            f"{batch.state_rows:,}" if batch.state_rows else "",
            f"{max(0.0, (now - batch.ended_at).total_seconds()):,.0f} s",
        )
    return table


def print_written(result: TableResult) -> None:
    """Print the line of a table as soon as it is written, where somebody looks at a terminal."""
    if sys.stderr.isatty():
        print_table(result)


@contextmanager
def shown_progress(console: Console | None = None, now: Clock = _now) -> Iterator[Listener]:
    """Give a listener that shows what streams report while the block runs."""
    console = console or Console(stderr=True, highlight=False, force_jupyter=False)
    if not console.is_terminal:
        yield _Lines(console, now)
        return
    shown: dict[str, BatchProgress] = {}
    # Drawn anew twice a second, so that the time since a batch grows while there is none.
    with Live(
        get_renderable=lambda: progress_table(shown, now()), console=console, refresh_per_second=2, transient=True
    ):
        yield shown.update


class _Lines:
    """Prints a line now and then with what each stream has done since the line before."""

    def __init__(self, console: Console, now: Clock) -> None:
        self._console, self._now, self._since = console, now, now()
        self._rows: dict[str, int] = {}

    def __call__(self, newest: dict[str, BatchProgress]) -> None:
        seconds = (self._now() - self._since).total_seconds()
        if not newest or seconds < LINE_SECONDS:
            return
        parts = [self._part(name, batch, seconds) for name, batch in newest.items()]
        self._console.print(f"  {self._now():%H:%M:%S} {', '.join(parts)}", soft_wrap=True)
        self._since = self._now()
        self._rows = {name: batch.rows_so_far for name, batch in newest.items()}

    def _part(self, name: str, batch: BatchProgress, seconds: float) -> str:
        rate = (batch.rows_so_far - self._rows.get(name, 0)) / seconds
        lag, age = _lag(batch), batch.event_age_seconds
        return (
            f"{name} {batch.rows_so_far:,} rows, {rate:,.0f}/s"
            + (f", lag {lag}" if lag else "")
            + ("" if age is None else f", {age:,.0f} s old")
        )


def _lag(batch: BatchProgress) -> str:
    lag = batch.lag_events if batch.lag_events is not None else batch.lag_files
    return "" if lag is None else f"{lag:,}"


def print_rules(run: RunResult, console: Console | None = None) -> None:
    """Print what rules about whole tables have found, those that are not met first."""
    console = console or Console(highlight=False, force_jupyter=False)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("table", overflow="fold", min_width=12)
    table.add_column("rule", overflow="fold", min_width=10)
    for name in ("checked", "at fault"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("outcome", overflow="fold")
    found = [(item.table, rule) for item in run.tables for rule in item.rules]
    for name, rule in sorted(found, key=lambda one: (one[1].passed, one[1].severity)):
        outcome = "[green]met[/]" if rule.passed else f"[bold yellow]{rule.consequence}[/] {escape(rule.detail)}"
        counts = (f"{rule.rows_checked:,}", f"{rule.rows_failed:,}")
        table.add_row(escape(name), escape(rule.rule), *counts, outcome)
    console.print(table)
    for item in run.tables:
        if item.status == "skipped":
            console.print(f"{escape(item.table)} is not there yet")
        if item.error:
            console.print(f"[bold red]{escape(item.table)}[/]: {escape(item.error)}")
    broken = sum(not rule.passed for _, rule in found)
    console.print(f"{len(found)} rules checked, {broken} not met: {run.status}")


def print_balances(found: tuple[Balance, ...], console: Console | None = None) -> None:
    """Print what bronze holds against what the streams have written."""
    console = console or Console(highlight=False, force_jupyter=False)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("table", overflow="fold", min_width=12)
    for name in ("not read", "received", "valid keys", "stored", "quarant.", "lost", "doubled"):
        table.add_column(name, justify="right", no_wrap=True)
    for item in found:
        counts = (item.missing, item.received, item.valid_keys, item.stored, item.quarantined, item.lost, item.doubled)
        table.add_row(item.table, *[f"{count:,}" for count in counts])
    console.print(table)
    bad = sum(item.lost + item.doubled for item in found)
    verdict = "[bold red]rows are lost or doubled[/]" if bad else "[green]nothing is lost and nothing doubled[/]"
    console.print(verdict)
    sys.stdout.flush()
