"""Looking at tables as they are: their rules about the whole table, and about every row that is in them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from uuid import uuid4

from pyspark.sql import functions as F

from databricks_utils.data_quality import (
    RuleResult,
    label,
    quality_score,
    row_rules,
    run_table_rules,
    summarise,
    table_rules,
)
from databricks_utils.data_quality.results import breaches_of, warnings_of
from databricks_utils.data_quality.rules import ARRIVAL
from databricks_utils.delta import quoted
from databricks_utils.logging import redacted
from databricks_utils.medallion.pipeline import Gold, Node, Pipeline, Upsert
from databricks_utils.medallion.surrogate import UNKNOWN_KEY
from databricks_utils.observability import RunResult, RunStore, TableResult
from databricks_utils.pipeline.clock import Clock
from databricks_utils.pipeline.failure import cause_of
from databricks_utils.pipeline.flow import AnyNode, Flow
from databricks_utils.pipeline.lakehouse import Lakehouse
from databricks_utils.spark_client import spark_pool

_LOG = logging.getLogger(__name__)
#: Kinds that can fail although nothing was written.
WITH_TIME = ("freshness",)


def check_pipeline_tables(
    lakehouse: Lakehouse, pipeline: Pipeline, *, tables: Sequence[str] = (), run_id: str | None = None
) -> RunResult:
    """Check all tables of a batch pipeline against their contracts, whoever wrote them; record the outcomes.

    Every row that is in a silver or gold table is held to the rules about single rows, so that those are found too that
    were written under an earlier contract; every table is held to the rules about whole tables, its age among them. No
    row moves. A table that does not exist yet is skipped.

    Args:
        lakehouse: The open lakehouse.
        pipeline: The definition.
        tables: `layer.table` names; all when empty.
        run_id: Name under which the outcomes are kept in `operations.quality_results`.

    Returns:
        One result for each table. A rule of severity error that is not met is a breach, which makes exit code 3.
    """

    def rules(node: Node) -> tuple[RuleResult, ...]:
        if node.layer == "bronze":
            return ()  # it takes whatever comes
        now = datetime.now(timezone.utc)
        return (*_rules_of_rows(lakehouse, node), *rules_of_table(lakehouse, node.table, now=now))

    return checked(lakehouse, pipeline, rules, tables=tables, run_id=run_id)


def checked(
    lakehouse: Lakehouse,
    flow: Flow[AnyNode],
    rules: Callable[[AnyNode], Sequence[RuleResult]],
    *,
    tables: Sequence[str] = (),
    run_id: str | None = None,
    explain: Callable[[BaseException], str] = cause_of,
) -> RunResult:
    """Look at tables side by side, and record the outcomes of rules.

    Args:
        lakehouse: The open lakehouse.
        flow: The definition.
        rules: Looks at one table that exists.
        tables: `layer.table` names; all when empty.
        run_id: Name under which the outcomes are kept.
        explain: Says what is wrong with a table that could not be looked at.
    """
    clock = Clock()

    def look(node: AnyNode) -> TableResult:
        own = Clock()
        if not lakehouse.exists(node.table):
            return own.result(node, "skipped")
        try:
            found = tuple(rules(node))
        except Exception as error:  # one table's failure, whatever it is, must not hide the others
            _LOG.error("table not checked: %s", node.table, exc_info=error, extra={"event": "check_failed"})
            return replace(own.result(node, "failed"), error=redacted(explain(error)))
        return replace(
            own.result(node, "succeeded"),
            score=quality_score(rule for rule in found if rule.kind != "limit"),
            rules=found,
            breaches=breaches_of(found),
            warnings=warnings_of(found),
        )

    with spark_pool(lakehouse.spark, lakehouse.configuration.execution.parallel_tables) as pool:
        results = list(pool.map(look, flow.selected(tables)))
    run = RunResult(
        run_id=run_id or uuid4().hex,
        pipeline=flow.name,
        environment=lakehouse.configuration.environment,
        started_at=clock.at,
        duration_seconds=clock.seconds(),
        tables=tuple(results),
        parameters={"tables": ",".join(tables)},
    )
    RunStore(lakehouse.namespace).save_rules(lakehouse.spark, run)
    return run


def rules_of_table(
    lakehouse: Lakehouse,
    table: str,
    *,
    now: datetime,
    written: bool = True,
    proved_unique: int | None = None,
    known_rows: int | None = None,
) -> list[RuleResult]:
    """Check the rules about one table as a whole.

    Args:
        lakehouse: The open lakehouse.
        table: `layer.table`.
        now: The moment that ages are measured against, with a time zone.
        written: Whether the table has changed since it was last checked; otherwise only its age is looked at.
        proved_unique: Rows whose primary key the write itself has proved unique.
        known_rows: Rows of the table, where the write has told.

    Raises:
        InvalidInput: A rule names a column the table does not have.
    """
    age = lakehouse.configuration.quality.freshness
    rules = [
        replace(rule, severity=age) if rule.kind == "freshness" and age != "ignore" else rule
        for rule in table_rules(lakehouse.contract(table))
        if (written or rule.kind in WITH_TIME) and (rule.kind != "freshness" or age != "ignore")
    ]
    if not rules:
        return []

    def resolve(name: str) -> str:
        lakehouse.exists(name)  # so that its name can be used in SQL
        return lakehouse.identifier(name)

    return run_table_rules(
        lakehouse.spark,
        resolve(table),
        rules,
        resolve,
        now=now,
        proved_unique=proved_unique,
        known_rows=known_rows,
    )


def _rules_of_rows(lakehouse: Lakehouse, node: Node) -> tuple[RuleResult, ...]:
    """Check the rules about single rows on all rows of a table; how they arrived is known of new rows only."""
    rules = [rule for rule in row_rules(lakehouse.contract(node.table)) if rule.kind not in ARRIVAL]
    if not rules:
        return ()
    rows = lakehouse.read(node.table)
    write = node.write if isinstance(node, Gold) else Upsert()
    surrogate = getattr(write, "surrogate_key", None)
    if surrogate and getattr(write, "unknown_member", False):
        # The member that stands for all without a match has no properties, by design.
        rows = rows.where(F.col(quoted(surrogate)) != UNKNOWN_KEY)
    return summarise(label(rows, rules), rules).rules
