"""Streams while they run: a table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from databricks_utils.observability import RunResult
from databricks_utils.streaming import Balance, BatchProgress
from databricks_utils.streaming.pace import Listener

#: Pause between two lines where nobody looks at a terminal.
LINE_SECONDS = 10.0


def progress_table(newest: Mapping[str, BatchProgress]) -> Table:
    """Return rates, lag, state and watermark of each stream as they were in its newest batch."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("stream", overflow="fold", min_width=12)
    for name in ("batch", "rows", "in/s", "done/s", "lag", "state", "watermark"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, batch in newest.items():
        delay = batch.watermark_delay_seconds
        lag = batch.lag_events if batch.lag_events is not None else batch.lag_files
        table.add_row(
            name,
            str(batch.batch_id),
            f"{batch.input_rows:,}",
            f"{batch.input_rows_per_second:,.0f}",
            f"{batch.processed_rows_per_second:,.0f}",
            "" if lag is None else f"{lag:,}",
            f"{batch.state_rows:,}" if batch.state_rows else "",
            "" if delay is None else f"-{delay:,.0f} s",
        )
    return table


@contextmanager
def shown_progress(console: Console | None = None) -> Iterator[Listener]:
    """Give a listener that shows what streams report while the block runs."""
    console = console or Console(stderr=True, highlight=False, force_jupyter=False)
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(progress_table({}), console=console, refresh_per_second=2, transient=True) as live:
        yield lambda newest: live.update(progress_table(newest))


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = time.monotonic() + LINE_SECONDS

    def __call__(self, newest: dict[str, BatchProgress]) -> None:
        if newest and time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_SECONDS
            rates = ", ".join(
                f"{name} {batch.processed_rows_per_second:,.0f}/s"
                + (f" lag {batch.lag_events:,}" if batch.lag_events is not None else "")
                for name, batch in newest.items()
            )
            self._console.print(f"  {rates}", soft_wrap=True)


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
        outcome = "[green]met[/]" if rule.passed else f"[bold yellow]{rule.severity}[/] {escape(rule.detail)}"
        counts = (f"{rule.rows_checked:,}", f"{rule.rows_failed:,}")
        table.add_row(escape(name), escape(rule.rule), *counts, outcome)
    console.print(table)
    for item in run.tables:
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
