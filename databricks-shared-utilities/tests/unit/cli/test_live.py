"""What streams show on a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from rich.console import Console

from databricks_utils.cli.live import print_rules, progress_table, shown_progress
from databricks_utils.data_quality import RuleResult
from databricks_utils.observability import RunResult, TableResult
from databricks_utils.streaming import BatchProgress

NOW = datetime(2026, 1, 5, tzinfo=timezone.utc)
MET = RuleResult("not_empty", None, "row_count", "error", 1, 0, True, "4 rows, must be greater than 0")
OLD = RuleResult("freshness", "event_time", "freshness", "warning", 1, 1, False, "2.0 hours old, at most 1")
TWICE = RuleResult("primary_key", None, "unique", "error", 1204, 3, False, "3 surplus rows, must be 0")


def shown(*tables: TableResult) -> list[str]:
    stream = io.StringIO()
    run = RunResult("r1", "tills", "test", NOW, 0.1, tables)
    print_rules(run, Console(file=stream, width=100, highlight=False))
    return [" ".join(line.split()) for line in stream.getvalue().splitlines() if line.strip()]


def test_rules_that_are_not_met_stand_first_with_what_was_found() -> None:
    table = TableResult("silver.sales", "silver", "succeeded", NOW, 0.1, rules=(MET, OLD, TWICE), breaches=("…",))

    _, _, first, second, third, last = shown(table)

    assert first == "silver.sales primary_key 1,204 3 breach 3 surplus rows, must be 0"
    assert second == "silver.sales freshness 1 1 warning 2.0 hours old, at most 1"
    assert third == "silver.sales not_empty 1 0 met"
    assert last == "3 rules checked, 2 not met: breached"


def test_a_table_that_could_not_be_checked_says_why() -> None:
    lines = shown(TableResult("gold.minutes", "gold", "failed", NOW, 0.1, error="A rule does not fit the table"))

    assert lines[-2:] == ["gold.minutes: A rule does not fit the table", "0 rules checked, 0 not met: failed"]


BATCH = BatchProgress(
    "silver.sales",
    7,
    NOW - timedelta(seconds=4),
    1.0,
    500,
    processed_rows_per_second=500.0,
    lag_events=1500,
    newest_event=NOW - timedelta(seconds=15),
    rows_so_far=2500,
)


def moments() -> Iterator[datetime]:
    """Yield moments one after the other, five seconds apart."""
    moment = NOW
    while True:
        yield moment
        moment += timedelta(seconds=5)


def test_lines_say_what_has_been_done_since_the_line_before_also_when_every_batch_is_alike() -> None:
    stream, clock = io.StringIO(), moments()
    now = [next(clock)]

    with shown_progress(Console(file=stream, width=200), lambda: now[0]) as listener:
        for rows in (2500, 2500, 5000, 5000, 5500, 5500, 5500):
            listener({"silver.sales": replace(BATCH, rows_so_far=rows)})
            now[0] = next(clock)

    lines = [line.strip() for line in stream.getvalue().splitlines()]
    assert lines == [
        "00:00:10 silver.sales 5,000 rows, 500/s, lag 1,500, 12 s old",
        "00:00:20 silver.sales 5,500 rows, 50/s, lag 1,500, 12 s old",
        "00:00:30 silver.sales 5,500 rows, 0/s, lag 1,500, 12 s old",
    ]


def test_the_table_shows_how_long_ago_the_newest_batch_was_done() -> None:
    for later, ago in ((0, "3 s"), (60, "63 s")):
        stream = io.StringIO()
        Console(file=stream, width=120).print(progress_table({"silver.sales": BATCH}, NOW + timedelta(seconds=later)))
        *_, line = [" ".join(line.split()) for line in stream.getvalue().splitlines() if line.strip()]
        assert line == f"silver.sales 2,500 0 500 1,500 -12 s {ago}"
