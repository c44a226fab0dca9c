"""What a run did, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from databricks_utils.data_quality.results import RuleResult

TableStatus = Literal["succeeded", "skipped", "failed", "blocked"]
RunStatus = Literal["succeeded", "breached", "failed"]


@dataclass(frozen=True)
class TableResult:
    """What a run did to one table.

    Args:
        table: `layer.table`.
        layer: bronze, silver or gold.
        status: skipped when nothing was new, blocked when something it reads failed.
        started_at: With time zone.
        duration_seconds: Wall clock.
        rows_read: Rows looked at.
        rows_valid: Rows that were accepted.
        rows_written: Rows inserted or updated.
        rows_quarantined: Rows put aside.
        rows_duplicate: Rows that repeat a key without news.
        rows_reprocessed: Old rows computed again because a lookup changed.
        score: Quality score from 0 to 1, or None.
        rules: Outcome of each rule.
        breaches: Rules of severity error that the table does not meet, thresholds of the configuration that it is
            beyond, and files set aside, as sentences; any of them makes exit code 3.
        error: What went wrong.
        error_kind: Stable name of the kind of error, for alerts; the runbook has a heading for each.
        target_version: Version of the table afterwards.
        warnings: What is worth a look and no breach, as sentences.
    """

    table: str
    layer: str
    status: TableStatus
    started_at: datetime
    duration_seconds: float
    rows_read: int = 0
    rows_valid: int = 0
    rows_written: int = 0
    rows_quarantined: int = 0
    rows_duplicate: int = 0
    rows_reprocessed: int = 0
    score: float | None = None
    rules: tuple[RuleResult, ...] = ()
    breaches: tuple[str, ...] = ()
    error: str | None = None
    target_version: int | None = None
    error_kind: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def balanced(self) -> bool:
        """True when every row read is accounted for."""
        return self.rows_read == self.rows_valid + self.rows_quarantined + self.rows_duplicate


@dataclass(frozen=True)
class RunResult:
    """What a run did.

    Args:
        run_id: Name of the run.
        pipeline: Name of the pipeline.
        environment: Name of the environment.
        started_at: With time zone.
        duration_seconds: Wall clock.
        tables: In running order.
        parameters: What the run was asked to do.
    """

    run_id: str
    pipeline: str
    environment: str
    started_at: datetime
    duration_seconds: float
    tables: tuple[TableResult, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> RunStatus:
        """The worst of the tables."""
        if any(table.status in ("failed", "blocked") for table in self.tables):
            return "failed"
        return "breached" if any(table.breaches for table in self.tables) else "succeeded"

    @property
    def headline(self) -> str:
        """What happened, in a few words: never "everything was written" alone where something is breached."""
        failed = [table for table in self.tables if table.status in ("failed", "blocked")]
        found = [
            _counted(len(failed), "table") + " not written" if failed else "Everything was written",
            _counted(sum(len(table.breaches) for table in self.tables), "breach"),
            _counted(sum(len(table.warnings) for table in self.tables), "warning"),
        ]
        return "; ".join(part for part in found if part)

    @property
    def exit_code(self) -> int:
        """0 done, 1 failed, 3 a quality threshold is breached."""
        return {"succeeded": 0, "failed": 1, "breached": 3}[self.status]


def _counted(number: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}" if number else ""
