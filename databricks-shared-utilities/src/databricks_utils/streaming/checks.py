"""The rules about whole tables, checked on the tables of streams as they are."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from uuid import uuid4

from databricks_utils.data_quality import RuleResult, quality_score, run_table_rules, table_rules
from databricks_utils.medallion import Lakehouse
from databricks_utils.observability import RunResult, RunStore, TableResult
from databricks_utils.streaming.definition import StreamBronze, StreamNode, StreamPipeline
from databricks_utils.streaming.failure import described

_LOG = logging.getLogger(__name__)
#: Kinds that can fail although nothing was written.
WITH_TIME = ("freshness",)


def check_tables(
    lakehouse: Lakehouse, pipeline: StreamPipeline, *, tables: Sequence[str] = (), run_id: str | None = None
) -> RunResult:
    """Check the silver and gold tables against their contracts' rules about the whole table, and record the outcomes.

    It reads each table as it is at that moment, so streams may run meanwhile. A table that does not exist yet is
    skipped.

    Args:
        lakehouse: The open lakehouse.
        pipeline: The definition.
        tables: `layer.table` names; all when empty.
        run_id: Name under which the outcomes are kept in `operations.quality_results`.

    Returns:
        One result for each table. A rule of severity error that is not met is a breach, which makes exit code 3; a
        warning is only recorded.
    """
    started, begin = datetime.now(timezone.utc), time.monotonic()
    nodes = [node for node in pipeline.selected(tables) if not isinstance(node, StreamBronze)]
    with ThreadPoolExecutor(lakehouse.configuration.execution.parallel_tables) as pool:
        results = list(pool.map(lambda node: _checked(lakehouse, node), nodes))
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


def rules_of_table(lakehouse: Lakehouse, node: StreamNode, *, written: bool = True) -> tuple[RuleResult, ...]:
    """Check one table.

    Args:
        lakehouse: The open lakehouse.
        node: The table's definition.
        written: Whether the table has changed since it was last checked; otherwise only its age is looked at.

    Raises:
        InvalidInput: A rule names a column the table does not have.
    """
    rules = [rule for rule in table_rules(lakehouse.contract(node.table)) if written or rule.kind in WITH_TIME]

    def resolve(table: str) -> str:
        lakehouse.exists(table)  # so that its name can be used in SQL
        return lakehouse.identifier(table)

    now = datetime.now(timezone.utc)
    return tuple(run_table_rules(lakehouse.spark, resolve(node.table), rules, resolve, now=now))


def breaches_of(rules: Sequence[RuleResult]) -> tuple[str, ...]:
    """Return a sentence for each rule of severity error that is not met."""
    broken = [rule for rule in rules if not rule.passed and rule.severity == "error"]
    return tuple(f"Rule {rule.rule} is not met: {rule.detail}" for rule in broken)


def _checked(lakehouse: Lakehouse, node: StreamNode) -> TableResult:
    started, begin = datetime.now(timezone.utc), time.monotonic()
    if not lakehouse.exists(node.table):
        return TableResult(node.table, node.layer, "skipped", started, 0.0)
    try:
        rules = rules_of_table(lakehouse, node)
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
        rules=rules,
        breaches=breaches_of(rules),
    )
