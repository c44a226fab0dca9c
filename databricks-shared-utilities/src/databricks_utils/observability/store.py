"""Runs as Delta tables, for dashboards, alerts and the next report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.data_quality.results import RuleResult
from databricks_utils.delta import Int, Namespace, RecordTable
from databricks_utils.observability.results import RunResult, TableResult
from databricks_utils.spark_client import spark_pool

if TYPE_CHECKING:
    from pyspark.sql import Column, Row, SparkSession


@dataclass(frozen=True)
class RunRecord:
    """A run, or one task of it, as a row of `operations.pipeline_runs`."""

    run_id: str
    pipeline: str
    environment: str
    status: str
    started_at: datetime
    duration_seconds: float
    tables_succeeded: Int
    tables_failed: Int
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class TableRecord:
    """What a run did to one table, as a row of `operations.table_runs`; `position` is its place in the run."""

    run_id: str
    pipeline: str
    position: Int
    result: TableResult


@dataclass(frozen=True)
class RuleRecord:
    """The outcome of a rule, as a row of `operations.quality_results`."""

    run_id: str
    table_name: str
    checked_at: datetime
    consequence: str
    result: RuleResult


RUNS = RecordTable("operations.pipeline_runs", RunRecord)
TABLES = RecordTable("operations.table_runs", TableRecord, renamed={"table": "table_name"}, omitted=["rules"])
QUALITY = RecordTable(
    "operations.quality_results", RuleRecord, renamed={"column": "column_name"}, omitted=["set_aside"]
)


@dataclass(frozen=True)
class RunStore:
    """Saves runs and finds them again.

    Args:
        namespace: Names of the environment.
    """

    namespace: Namespace

    def save(self, spark: SparkSession, run: RunResult) -> None:
        """Append a run to the three tables; they are created when absent."""
        done = sum(table.status in ("succeeded", "skipped") for table in run.tables)
        head = RunRecord(
            run_id=run.run_id,
            pipeline=run.pipeline,
            environment=run.environment,
            status=run.status,
            started_at=run.started_at,
            duration_seconds=run.duration_seconds,
            tables_succeeded=done,
            tables_failed=len(run.tables) - done,
            parameters=run.parameters,
        )
        tables = [TableRecord(run.run_id, run.pipeline, n, table) for n, table in enumerate(run.tables)]
        with spark_pool(spark, 2) as pool:
            parts = [lambda: TABLES.append(spark, self.namespace, tables), lambda: self.save_rules(spark, run)]
            list(pool.map(lambda part: part(), parts))
        # Last, so that a run on record has its tables on record.
        RUNS.append(spark, self.namespace, [head])

    def save_rules(self, spark: SparkSession, run: RunResult) -> None:
        """Append only the outcomes of rules, where tables were checked and not run."""
        outcomes = [
            RuleRecord(run.run_id, table.table, run.started_at, rule.consequence, rule)
            for table in run.tables
            for rule in table.rules
        ]
        QUALITY.append(spark, self.namespace, outcomes)

    def latest(self, spark: SparkSession, limit: int = 1) -> list[RunResult]:
        """Return the newest runs, newest first; runs of several tasks under one name are joined.

        A table that was run again under the same name, as a task is that is retried or repaired, counts by the last
        attempt that had something to do; what earlier attempts found breached stays breached. The outcomes of rules
        come with the newest run only.
        """
        return self._select(spark, F.lit(True), limit)

    def named(self, spark: SparkSession, run_id: str) -> RunResult | None:
        """Return the run of a name, its tasks joined as by `latest`, or None where nothing is recorded of it."""
        return next(iter(self._select(spark, F.col("run_id") == run_id, 1)), None)

    def _select(self, spark: SparkSession, condition: Column, limit: int) -> list[RunResult]:
        runs = (
            RUNS.frame(spark, self.namespace)
            .where(condition)
            .groupBy("run_id")
            .agg(
                F.any_value("pipeline").alias("pipeline"),
                F.any_value("environment").alias("environment"),
                F.min("started_at").alias("started_at"),
                F.sum("duration_seconds").alias("duration_seconds"),
                F.max_by("parameters", "started_at").alias("parameters"),
            )
            .orderBy(F.desc("started_at"))
            .limit(limit)
            .collect()
        )
        if not runs:
            return []
        names = [row.run_id for row in runs]
        with spark_pool(spark, 2) as pool:
            tables = pool.submit(TABLES.read, spark, self.namespace, F.col("run_id").isin(names))
            rules = pool.submit(QUALITY.read, spark, self.namespace, F.col("run_id") == names[0])
            return [_run(row, tables.result(), rules.result()) for row in runs]


def _run(row: Row, tables: Sequence[TableRecord], rules: Sequence[RuleRecord]) -> RunResult:
    attempts: dict[str, list[TableRecord]] = {}
    for item in sorted(tables, key=_moment):
        if item.run_id == row.run_id:
            attempts.setdefault(item.result.table, []).append(item)
    deciding = sorted((_deciding(items) for items in attempts.values()), key=_moment)
    return RunResult(
        run_id=row.run_id,
        pipeline=row.pipeline,
        environment=row.environment,
        started_at=row.started_at.astimezone(timezone.utc),
        duration_seconds=row.duration_seconds,
        tables=tuple(_table(item, attempts[item.result.table], rules) for item in deciding),
        parameters=dict(row.parameters or {}),
    )


def _moment(item: TableRecord) -> tuple[datetime, int]:
    return item.result.started_at, item.position


def _deciding(attempts: Sequence[TableRecord]) -> TableRecord:
    """Return the attempt at a table that counts.

    That is the last, unless it found nothing new: then an earlier one has done the work, and its outcome stands.
    """
    last = attempts[-1]
    if last.result.status == "skipped":
        last = next((item for item in reversed(attempts) if item.result.status == "succeeded"), last)
    return last


def _table(record: TableRecord, attempts: Sequence[TableRecord], rules: Sequence[RuleRecord]) -> TableResult:
    # A sentence of any attempt stands, each once: an attempt that finds nothing new undoes no breach.
    return replace(
        record.result,
        rules=_rules_of(record, rules),
        breaches=tuple(dict.fromkeys(text for item in attempts for text in item.result.breaches)),
        warnings=tuple(dict.fromkeys(text for item in attempts for text in item.result.warnings)),
    )


def _rules_of(record: TableRecord, rules: Sequence[RuleRecord]) -> tuple[RuleResult, ...]:
    """Return the outcomes of a table's last attempt; all rules of one attempt bear the same moment."""
    if record.result.status != "succeeded":
        return ()
    own = [item for item in rules if (item.run_id, item.table_name) == (record.run_id, record.result.table)]
    newest = max((item.checked_at for item in own), default=None)
    return tuple(
        replace(item.result, set_aside=item.consequence == "quarantine") for item in own if item.checked_at == newest
    )
