"""One table's turn in a run: decide, compute, write, check, and say what happened."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from databricks_utils.data_quality import RuleResult, decide, quality_score
from databricks_utils.data_quality.results import breaches_of, warnings_of
from databricks_utils.logging import log_context
from databricks_utils.medallion.bronze import ingest
from databricks_utils.medallion.checks import rules_of_table
from databricks_utils.medallion.dependence import Dependence
from databricks_utils.medallion.gold import refresh
from databricks_utils.medallion.increment import Increment, plan_increment
from databricks_utils.medallion.pipeline import Bronze, Gold, Node, Silver
from databricks_utils.medallion.progress import Position
from databricks_utils.medallion.silver import refine
from databricks_utils.observability import TableResult, span
from databricks_utils.pipeline.clock import Clock
from databricks_utils.pipeline.lakehouse import Lakehouse
from databricks_utils.pipeline.trail import entered
from databricks_utils.retry import is_transient, retry

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """The result of one table's turn and how far it has read now; None when it has not moved."""

    result: TableResult
    position: Position | None = None


def run_step(
    lakehouse: Lakehouse,
    node: Node,
    position: Position,
    dependence: Dependence | None = None,
    *,
    full_refresh: bool = False,
) -> Step:
    """Run one table, again after a pause where the error can pass by itself.

    Args:
        lakehouse: The open lakehouse.
        node: The table's definition.
        position: How far it has read.
        dependence: What the rows of its transformation depend on.
        full_refresh: Compute it from all rows.

    Raises:
        LakehouseError: The table cannot be computed; nothing of it is half written.
    """
    execution = lakehouse.configuration.execution
    with log_context(table=node.table), span(f"table {node.table}", table=node.table):
        step = retry(
            lambda: _run_once(lakehouse, node, position, dependence, full_refresh),
            attempts=execution.retries + 1,
            delay_seconds=execution.retry_delay_seconds,
            when=is_transient,
        )
        _tell(step.result)
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


def _tell(result: TableResult) -> None:
    """Log what somebody should look at, for who reads only logs."""
    for event, sentences in (("quality_breached", result.breaches), ("quality_warned", result.warnings)):
        for sentence in sentences:
            _LOG.warning("%s", sentence, extra={"event": event})


def _run_once(
    lakehouse: Lakehouse, node: Node, position: Position, dependence: Dependence | None, full_refresh: bool
) -> Step:
    started = Clock()
    if isinstance(node, Bronze):
        return _bronze(lakehouse, node, started)
    entered("see what is new")
    if changing := dependence and dependence.changing:
        _LOG.warning("%s is computed whole in each run: its transformation %s", node.table, changing.words)
    increment = plan_increment(lakehouse, node, position, full_refresh=full_refresh or bool(changing))
    if increment.nothing_new:
        behind = increment.position if increment.position != position else None
        return Step(replace(started.result(node, "skipped"), target_version=increment.position.version), behind)
    entered("begin", lambda: increment.described)
    work = (
        _silver(lakehouse, node, increment, started)
        if isinstance(node, Silver)
        else _gold(lakehouse, node, increment, dependence, started)
    )
    counted = work.counted
    entered("check the rules of the whole table")
    whole = rules_of_table(
        lakehouse, node.table, now=started.at, proved_unique=work.proved_unique, known_rows=work.known_rows
    )
    rules = (*work.rules, *whole)
    score = quality_score(rules)
    decision = decide(score, counted.rows_read, counted.rows_quarantined, lakehouse.configuration.quality)
    version = lakehouse.version(node.table)
    result = replace(
        counted,
        duration_seconds=started.seconds(),
        score=score,
        rules=rules,
        breaches=(*(decision.reasons if decision.status == "breached" else ()), *breaches_of(rules)),
        warnings=(*(decision.reasons if decision.status == "warned" else ()), *warnings_of(rules)),
        target_version=version,
    )
    return Step(result, increment.reached(version))


@dataclass(frozen=True)
class _Work:
    """What a table's turn did, and what its counts already prove about the whole table."""

    counted: TableResult
    rules: tuple[RuleResult, ...]
    proved_unique: int | None
    known_rows: int | None


def _silver(lakehouse: Lakehouse, node: Silver, increment: Increment, started: Clock) -> _Work:
    refined = refine(lakehouse, node, increment)
    counted = TableResult(
        node.table,
        node.layer,
        "succeeded",
        started.at,
        0.0,
        rows_read=refined.rows_read,
        rows_valid=refined.rows_valid,
        rows_written=refined.rows_written,
        rows_quarantined=refined.rows_quarantined,
        rows_duplicate=refined.rows_duplicate,
        rows_reprocessed=refined.rows_reprocessed,
    )
    # Rows are reduced to one for each key and merged by it, and the balance has been checked.
    known_rows = refined.rows_valid if increment.reads_everything else None
    rules = tuple(replace(rule, set_aside=True) for rule in refined.summary.rules)
    return _Work(counted, rules, refined.summary.distinct_keys, known_rows)


def _gold(
    lakehouse: Lakehouse, node: Gold, increment: Increment, dependence: Dependence | None, started: Clock
) -> _Work:
    refreshed = refresh(lakehouse, node, increment, dependence)
    checked = refreshed.summary.rows if refreshed.summary else refreshed.rows_written
    counted = TableResult(
        node.table,
        node.layer,
        "succeeded",
        started.at,
        0.0,
        rows_read=checked,
        rows_valid=checked,
        rows_written=refreshed.rows_written,
    )
    rules = refreshed.summary.rules if refreshed.summary else ()
    return _Work(counted, rules, refreshed.proved_unique, refreshed.rows_written if refreshed.whole else None)


def _bronze(lakehouse: Lakehouse, node: Bronze, started: Clock) -> Step:
    ingested = ingest(lakehouse, node)
    rows, aside = ingested.rows, len(ingested.damaged)
    base = started.result(node, "succeeded" if rows else "skipped")
    result = replace(
        base,
        rows_read=rows,
        rows_valid=rows - aside,
        rows_written=rows,
        rows_quarantined=aside,
        breaches=tuple(str(file) for file in (*ingested.damaged, *ingested.remarked)),
        target_version=lakehouse.version(node.table),
    )
    return Step(result)
