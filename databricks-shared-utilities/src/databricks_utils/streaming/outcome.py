"""What a run did to one table of streams, from what its queries reported and committed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from databricks_utils.data_quality import RuleResult, quality_score
from databricks_utils.data_quality.results import breaches_of, warnings_of
from databricks_utils.observability import TableResult, TableStatus
from databricks_utils.streaming.definition import StreamNode, StreamSilver
from databricks_utils.streaming.progress import Totals


@dataclass(frozen=True)
class StreamOutcome:
    """What is known of one table at the end of a run.

    Args:
        totals: Sums of the batches.
        written: Rows in the table's commits.
        quarantined: Rows in the commits of its quarantine.
        found: Rows that its stream dropped as late and that are in the quarantine now.
        unaccounted: Rows that its stream dropped as late and that were not looked for; None for tables without a
            quarantine, which never are.
        rules: Outcomes of the rules about the whole table.
        error: Why a query of it failed.
        blocked: A table that it reads has failed.
    """

    totals: Totals
    written: int = 0
    quarantined: int = 0
    found: int = 0
    unaccounted: int | None = None
    rules: tuple[RuleResult, ...] = ()
    error: str | None = None
    blocked: bool = False

    @property
    def status(self) -> TableStatus:
        """What became of the table."""
        if self.error:
            return "failed"
        if self.blocked:
            return "blocked"
        return "succeeded" if self.totals.input_rows else "skipped"

    @property
    def lost(self) -> int:
        """Rows behind the watermark that the table lacks and its quarantine too."""
        return self.totals.rows_dropped_late if self.unaccounted is None else self.unaccounted

    @property
    def repeated(self) -> int:
        """Rows of a silver table whose key was there already, those that came late among them."""
        if self.unaccounted is None:
            return 0
        late = self.totals.rows_dropped_late - self.unaccounted - self.found
        return self.totals.rows_dropped_duplicate + max(0, late)


def stream_result(node: StreamNode, outcome: StreamOutcome, started_at: datetime, version: int) -> TableResult:
    """Return the result of a table.

    Args:
        node: Its definition.
        outcome: What is known of it.
        started_at: When the run began, with a time zone.
        version: Its newest version.
    """
    return TableResult(
        table=node.table,
        layer=node.layer,
        status=outcome.status,
        started_at=started_at,
        duration_seconds=round(outcome.totals.duration_seconds, 3),
        rows_read=outcome.totals.input_rows,
        rows_valid=outcome.written,
        rows_written=outcome.written,
        rows_quarantined=outcome.quarantined,
        rows_duplicate=outcome.repeated,
        score=quality_score(outcome.rules) if outcome.rules else None,
        rules=outcome.rules,
        breaches=(*_late_breaches(node, outcome), *breaches_of(outcome.rules)),
        warnings=warnings_of(outcome.rules),
        error=outcome.error or ("not run because a table it reads failed" if outcome.blocked else None),
        target_version=version,
    )


def _late_breaches(node: StreamNode, outcome: StreamOutcome) -> Iterator[str]:
    if not outcome.lost:
        return
    if isinstance(node, StreamSilver):
        yield f"{outcome.lost:,} rows came behind the watermark and are in no table"
    else:
        read = " and ".join(node.inputs)
        yield f"{outcome.lost:,} rows of {read} came behind the watermark: they are there, and do not count here"
