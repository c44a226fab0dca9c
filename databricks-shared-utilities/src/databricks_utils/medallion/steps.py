"""One table's turn in a run: decide, compute, write, check, and say what happened."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from databricks_utils.data_quality import RuleResult, quality_score, run_table_rules, table_rules
from databricks_utils.logging import log_context
from databricks_utils.medallion.bronze import ingest
from databricks_utils.medallion.gold import refresh
from databricks_utils.medallion.increment import plan_increment
from databricks_utils.medallion.lakehouse import Lakehouse
from databricks_utils.medallion.pipeline import Bronze, Node, Silver
from databricks_utils.medallion.progress import Position
from databricks_utils.medallion.silver import refine
from databricks_utils.observability import TableResult, span
from databricks_utils.retry import is_transient, retry

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """The result of one table's turn and how far it has read now; None when it has not moved."""

    result: TableResult
    position: Position | None = None


def run_step(lakehouse: Lakehouse, node: Node, position: Position, *, full_refresh: bool = False) -> Step:
    """Run one table, again after a pause where the error can pass by itself.

    Raises:
        LakehouseError: The table cannot be computed; nothing of it is half written.
    """
    execution = lakehouse.configuration.execution
    with log_context(table=node.table), span(f"table {node.table}", table=node.table):
        step = retry(
            lambda: _run_once(lakehouse, node, position, full_refresh),
            attempts=execution.retries + 1,
            delay_seconds=execution.retry_delay_seconds,
            when=is_transient,
        )
        _LOG.info(
            "table finished",
            extra={
                "event": "table_finished",
                "rows": step.result.rows_written,
                "duration_seconds": step.result.duration_seconds,
                "status": step.result.status,
            },
        )
        return step


def _run_once(lakehouse: Lakehouse, node: Node, position: Position, full_refresh: bool) -> Step:
    started = Clock()
    if isinstance(node, Bronze):
        return _bronze(lakehouse, node, started)
    increment = plan_increment(lakehouse, node, position, full_refresh=full_refresh)
    if increment.nothing_new:
        return Step(started.result(node, status="skipped", target_version=position.version))
    if isinstance(node, Silver):
        refined = refine(lakehouse, node, increment)
        counts = {
            "rows_read": refined.rows_read,
            "rows_valid": refined.rows_valid,
            "rows_written": refined.rows_written,
            "rows_quarantined": refined.rows_quarantined,
            "rows_duplicate": refined.rows_duplicate,
            "rows_reprocessed": refined.rows_reprocessed,
        }
        summary = refined.summary
    else:
        refreshed = refresh(lakehouse, node, increment)
        checked = refreshed.summary.rows if refreshed.summary else refreshed.rows_written
        counts = {"rows_read": checked, "rows_valid": checked, "rows_written": refreshed.rows_written}
        summary = refreshed.summary
    rules = [*(summary.rules if summary else ()), *_table_rules(lakehouse, node, started)]
    version = lakehouse.version(node.table)
    score = quality_score(rules)
    breaches = _breaches(lakehouse, score, counts)
    result = started.result(
        node, score=score, rules=tuple(rules), breaches=breaches, target_version=version, **counts
    )
    return Step(result, Position(node.table, increment.versions, version))


def _bronze(lakehouse: Lakehouse, node: Bronze, started: Clock) -> Step:
    rows = ingest(lakehouse, node)
    version = lakehouse.version(node.table)
    status = "succeeded" if rows else "skipped"
    result = started.result(
        node, status=status, rows_read=rows, rows_valid=rows, rows_written=rows, target_version=version
    )
    return Step(result)


def _table_rules(lakehouse: Lakehouse, node: Node, started: Clock) -> list[RuleResult]:
    rules = table_rules(lakehouse.contract(node.table))
    if not rules:
        return []
    identifier = lakehouse.identifier(node.table)
    resolve: Callable[[str], str] = lakehouse.identifier
    return run_table_rules(lakehouse.spark, identifier, rules, resolve, now=started.at)


def _breaches(lakehouse: Lakehouse, score: float, counts: dict[str, int]) -> tuple[str, ...]:
    quality = lakehouse.configuration.quality
    found = []
    if score < quality.minimum_score:
        found.append(f"quality score {score:.3f} is below {quality.minimum_score:g}")
    share = counts.get("rows_quarantined", 0) / max(1, counts["rows_read"])
    if share > quality.fail_invalid_share:
        found.append(f"{share:.1%} of the rows are in quarantine, at most {quality.fail_invalid_share:.1%} may be")
    return tuple(found)


class Clock:
    """Measures a table's turn."""

    def __init__(self) -> None:
        self.at = datetime.now(timezone.utc)
        self._begin = time.perf_counter()

    def seconds(self) -> float:
        """Seconds since the start."""
        return round(time.perf_counter() - self._begin, 3)

    def result(self, node: Node, *, status: str = "succeeded", **fields: object) -> TableResult:
        """Return the table's result with start and duration filled in."""
        return TableResult(
            table=node.table,
            layer=node.layer,
            status=status,
            started_at=self.at,
            duration_seconds=self.seconds(),
            **fields,  # type: ignore[arg-type]  # the callers above name TableResult's own fields
        )
