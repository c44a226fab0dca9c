"""What streams show on a terminal."""

from __future__ import annotations

import io
from datetime import datetime, timezone

from rich.console import Console

from databricks_utils.cli.live import print_rules
from databricks_utils.data_quality import RuleResult
from databricks_utils.observability import RunResult, TableResult

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

    assert first == "silver.sales primary_key 1,204 3 error 3 surplus rows, must be 0"
    assert second == "silver.sales freshness 1 1 warning 2.0 hours old, at most 1"
    assert third == "silver.sales not_empty 1 0 met"
    assert last == "3 rules checked, 2 not met: breached"


def test_a_table_that_could_not_be_checked_says_why() -> None:
    lines = shown(TableResult("gold.minutes", "gold", "failed", NOW, 0.1, error="A rule does not fit the table"))

    assert lines[-2:] == ["gold.minutes: A rule does not fit the table", "0 rules checked, 0 not met: failed"]
