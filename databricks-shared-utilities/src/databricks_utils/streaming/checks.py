"""The rules about whole tables and the thresholds of streams, checked on the tables as they are."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from uuid import uuid4

from databricks_utils.data_quality import RuleResult, quality_score, run_table_rules, table_rules
from databricks_utils.medallion import Lakehouse
from databricks_utils.observability import RunResult, RunStore, TableResult
from databricks_utils.streaming.definition import StreamBronze, StreamNode, StreamPipeline
from databricks_utils.streaming.failure import described
from databricks_utils.streaming.thresholds import (
    newest_reports,
    queries_of,
    rules_of_events,
    rules_of_reports,
)

_LOG = logging.getLogger(__name__)
#: Kinds that can fail although nothing was written.
WITH_TIME = ("freshness",)


def check_tables(
    lakehouse: Lakehouse, pipeline: StreamPipeline, *, tables: Sequence[str] = (), run_id: str | None = None
) -> RunResult:
    """Check tables against their contracts' rules about the whole table and against thresholds; record the outcomes.

    Thresholds are those of the section `quality` for the events of the last `streaming.thresholds.recent_minutes`, and
    the limits of that section for what the queries reported last within this time. Each table is read as it is at
    that moment, so streams may run meanwhile. A table that does not exist yet is skipped.

    Args:
        lakehouse: The open lakehouse.
        pipeline: The definition.
        tables: `layer.table` names; all when empty.
        run_id: Name under which the outcomes are kept in `operations.quality_results`.

    Returns:
        One result for each table. A rule of severity error that is not met is a breach, which makes exit code 3, and
        so is a value beyond a threshold that fails; a warning is only recorded.
    """
    started, begin = datetime.now(timezone.utc), time.monotonic()
    thresholds = lakehouse.configuration.streaming.thresholds
    since = started - timedelta(minutes=thresholds.recent_minutes)
    reports = newest_reports(lakehouse, since)

    def checked(node: StreamNode) -> TableResult:
        limits = rules_of_reports(reports, queries_of(pipeline, node), thresholds)
        return _checked(lakehouse, node, since, limits)

    with ThreadPoolExecutor(lakehouse.configuration.execution.parallel_tables) as pool:
        results = list(pool.map(checked, pipeline.selected(tables)))
    run = RunResult(
        run_id=run_id or uuid4().hex,
        pipeline=pipeline.name,
        environment=lakehouse.configuration.environment,
        started_at=started,
        duration_seconds=round(time.monotonic() - begin, 3),
        tables=tuple(results),
        parameters={"tables": ",".join(tables)},
    )
    RunStore(lakehouse.namespace).save_rules(lakehouse.spark, run)
    return run


def rules_of_table(
    lakehouse: Lakehouse, node: StreamNode, *, written: bool = True, since: datetime | None = None
) -> tuple[RuleResult, ...]:
    """Check one table.

    Args:
        lakehouse: The open lakehouse.
        node: The table's definition.
        written: Whether the table has changed since it was last checked; otherwise only its age is looked at.
        since: Events that came from then on are judged by the section `quality`; without it none.

    Raises:
        InvalidInput: A rule names a column the table does not have.
    """
    rules = [rule for rule in table_rules(lakehouse.contract(node.table)) if written or rule.kind in WITH_TIME]

    def resolve(table: str) -> str:
        lakehouse.exists(table)  # so that its name can be used in SQL
        return lakehouse.identifier(table)

    now = datetime.now(timezone.utc)
    found = run_table_rules(lakehouse.spark, resolve(node.table), rules, resolve, now=now)
    return (*found, *(rules_of_events(lakehouse, node, since) if since else ()))


def breaches_of(rules: Sequence[RuleResult]) -> tuple[str, ...]:
    """Return a sentence for each rule of severity error that is not met."""
    broken = [rule for rule in rules if not rule.passed and rule.severity == "error"]
    return tuple(f"Rule {rule.rule} is not met: {rule.detail}" for rule in broken)


def _checked(lakehouse: Lakehouse, node: StreamNode, since: datetime, limits: tuple[RuleResult, ...]) -> TableResult:
    started, begin = datetime.now(timezone.utc), time.monotonic()
    if not lakehouse.exists(node.table):
        return TableResult(node.table, node.layer, "skipped", started, 0.0)
    try:
        # Bronze takes whatever comes; nothing in it is checked.
        rules = () if isinstance(node, StreamBronze) else rules_of_table(lakehouse, node, since=since)
    except Exception as error:  # one table's failure, whatever it is, must not hide the others
        _LOG.error("table not checked: %s", node.table, exc_info=error, extra={"event": "check_failed"})
        return TableResult(
            node.table, node.layer, "failed", started, round(time.monotonic() - begin, 3), error=described(error)
        )
    return TableResult(
        node.table,
        node.layer,
        "succeeded",
        started,
        round(time.monotonic() - begin, 3),
        score=quality_score(rules),
        rules=(*rules, *limits),
        breaches=breaches_of((*rules, *limits)),
    )
