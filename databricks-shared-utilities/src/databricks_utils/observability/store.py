"""Runs as Delta tables, for dashboards, alerts and the next report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from databricks_utils.data_quality.results import RuleResult
from databricks_utils.delta import Namespace, append_records, table_exists
from databricks_utils.logging.redaction import concealed
from databricks_utils.observability.results import RunResult, TableResult
from databricks_utils.spark_client import spark_pool
from databricks_utils.sql_literal import string_literal

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RUNS = "operations.pipeline_runs"
TABLES = "operations.table_runs"
QUALITY = "operations.quality_results"
SCHEMAS = {
    RUNS: (
        "run_id STRING, pipeline STRING, environment STRING, status STRING, started_at TIMESTAMP, "
        "duration_seconds DOUBLE, tables_succeeded INT, tables_failed INT, parameters MAP<STRING, STRING>"
    ),
    TABLES: (
        "run_id STRING, pipeline STRING, position INT, table_name STRING, layer STRING, status STRING, "
        "started_at TIMESTAMP, duration_seconds DOUBLE, rows_read BIGINT, rows_valid BIGINT, rows_written BIGINT, "
        "rows_quarantined BIGINT, rows_duplicate BIGINT, "
        "rows_reprocessed BIGINT, score DOUBLE, breaches ARRAY<STRING>, error STRING, "
        "target_version BIGINT, error_kind STRING, warnings ARRAY<STRING>"
    ),
    QUALITY: (
        "run_id STRING, table_name STRING, rule STRING, column_name STRING, kind STRING, severity STRING, "
        "rows_checked BIGINT, rows_failed BIGINT, passed BOOLEAN, detail STRING, checked_at TIMESTAMP, "
        "consequence STRING"
    ),
}


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
        head = (
            run.run_id,
            run.pipeline,
            run.environment,
            run.status,
            run.started_at,
            run.duration_seconds,
            done,
            len(run.tables) - done,
            {_storable(name): _storable(value) for name, value in run.parameters.items()},
        )
        tables = [_table_row(run, n, table) for n, table in enumerate(run.tables)]
        with spark_pool(spark, 2) as pool:
            parts = [(TABLES, tables), (QUALITY, _rule_rows(run))]
            list(pool.map(lambda part: self._append(spark, *part), parts))
        # Last, so that a run on record has its tables on record.
        self._append(spark, RUNS, [head])

    def save_rules(self, spark: SparkSession, run: RunResult) -> None:
        """Append only the outcomes of rules, where tables were checked and not run."""
        self._append(spark, QUALITY, _rule_rows(run))

    def latest(self, spark: SparkSession, limit: int = 1) -> list[RunResult]:
        """Return the newest runs, newest first; runs of several tasks under one name are joined.

        A table that was run again under the same name, as a task is that is tried again or repaired, counts by the
        last try that had something to do; what earlier tries found breached stays breached. The outcomes of rules come
        with the newest run only.
        """
        return self._found(spark, "true", limit)

    def named(self, spark: SparkSession, run_id: str) -> RunResult | None:
        """Return the run of a name, its tasks joined as by `latest`, or None where nothing is recorded of it."""
        found = self._found(spark, f"run_id = {string_literal(run_id)}", 1)
        return found[0] if found else None

    def _found(self, spark: SparkSession, condition: str, limit: int) -> list[RunResult]:
        if not table_exists(spark, self.namespace, RUNS):
            return []
        runs = spark.sql(
            f"SELECT run_id, any_value(pipeline) pipeline, any_value(environment) environment, "
            f"min(started_at) started_at, "
            f"sum(duration_seconds) duration_seconds, max_by(parameters, started_at) parameters "
            f"FROM {self.namespace.identifier(RUNS)} WHERE {condition} "
            f"GROUP BY run_id ORDER BY started_at DESC LIMIT {int(limit)}"
        ).collect()
        wanted = [row.run_id for row in runs]
        with spark_pool(spark, 2) as pool:
            tables, rules = pool.map(lambda part: self._rows(spark, *part), [(TABLES, wanted), (QUALITY, wanted[:1])])
        return [_run(row, [item for item in tables if item.run_id == row.run_id], rules) for row in runs]

    def _append(self, spark: SparkSession, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        from databricks_utils.contracts import parse_schema

        append_records(spark, self.namespace, table, rows, parse_schema(SCHEMAS[table]))

    def _rows(self, spark: SparkSession, table: str, run_ids: Sequence[str]) -> list[Any]:
        if not run_ids or not table_exists(spark, self.namespace, table):
            return []
        frame = spark.table(self.namespace.identifier(table))
        return list(frame.where(frame.run_id.isin(list(run_ids))).collect())


def _table_row(run: RunResult, position: int, table: TableResult) -> tuple[object, ...]:
    return (
        run.run_id,
        run.pipeline,
        position,
        table.table,
        table.layer,
        table.status,
        table.started_at,
        table.duration_seconds,
        table.rows_read,
        table.rows_valid,
        table.rows_written,
        table.rows_quarantined,
        table.rows_duplicate,
        table.rows_reprocessed,
        table.score,
        [_storable(breach) for breach in table.breaches],
        None if table.error is None else _storable(table.error),
        table.target_version,
        table.error_kind,
        [_storable(warning) for warning in table.warnings],
    )


def _rule_rows(run: RunResult) -> list[tuple[object, ...]]:
    return [_rule_row(run, table, rule) for table in run.tables for rule in table.rules]


def _rule_row(run: RunResult, table: TableResult, rule: RuleResult) -> tuple[object, ...]:
    return (
        run.run_id,
        table.table,
        rule.rule,
        rule.column,
        rule.kind,
        rule.severity,
        rule.rows_checked,
        rule.rows_failed,
        rule.passed,
        _storable(rule.detail),
        run.started_at,
        rule.consequence,
    )


def _storable(text: str) -> str:
    """Replace what UTF-8 cannot hold, as the name of a file can bring it, which would lose the record; mask secrets."""
    return concealed(text).encode("utf-8", "replace").decode("utf-8")


def _run(row: Any, tables: Sequence[Any], rules: Sequence[Any]) -> RunResult:
    tries: dict[str, list[Any]] = {}
    for item in sorted(tables, key=_moment):
        tries.setdefault(item.table_name, []).append(item)
    joined = [_joined(items) for items in tries.values()]
    return RunResult(
        run_id=row.run_id,
        pipeline=row.pipeline,
        environment=row.environment,
        started_at=_utc(row.started_at),
        duration_seconds=row.duration_seconds,
        tables=tuple(_table(*found, rules) for found in sorted(joined, key=lambda found: _moment(found[0]))),
        parameters=dict(row.parameters or {}),
    )


def _joined(tries: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """Return the try of a table that counts, and all of them.

    That is the last, unless it found nothing new: then somebody has done the work before, and its outcome stands.
    """
    last = tries[-1]
    if last.status == "skipped":
        last = next((item for item in reversed(tries) if item.status == "succeeded"), last)
    return last, tries


def _table(row: Any, tries: Sequence[Any], rules: Sequence[Any]) -> TableResult:
    return TableResult(
        table=row.table_name,
        layer=row.layer,
        status=row.status,
        started_at=_utc(row.started_at),
        duration_seconds=row.duration_seconds,
        rows_read=row.rows_read,
        rows_valid=row.rows_valid,
        rows_written=row.rows_written,
        rows_quarantined=row.rows_quarantined,
        rows_duplicate=row.rows_duplicate,
        rows_reprocessed=row.rows_reprocessed,
        score=row.score,
        rules=tuple(_rule(item) for item in _last_try(row, rules)),
        breaches=_said(tries, "breaches"),
        error=row.error,
        target_version=row.target_version,
        error_kind=row.asDict().get("error_kind"),  # a table of version 1.0 lacks it until the next run
        warnings=_said(tries, "warnings"),
    )


def _said(tries: Sequence[Any], column: str) -> tuple[str, ...]:
    """Return what any try has said, each sentence once; a table of an earlier version lacks the column."""
    return tuple(dict.fromkeys(text for item in tries for text in item.asDict().get(column) or ()))


def _moment(row: Any) -> tuple[datetime, int]:
    return row.started_at, row.position


def _last_try(row: Any, rules: Sequence[Any]) -> list[Any]:
    """Return the rules of a table's last try; all rules of one try bear the same moment."""
    if row.status != "succeeded":
        return []
    own = [item for item in rules if (item.run_id, item.table_name) == (row.run_id, row.table_name)]
    newest = max((item.checked_at for item in own), default=None)
    return [item for item in own if item.checked_at == newest]


def _rule(row: Any) -> RuleResult:
    return RuleResult(
        row.rule,
        row.column_name,
        row.kind,
        row.severity,
        row.rows_checked,
        row.rows_failed,
        row.passed,
        row.detail,
        set_aside=row.asDict().get("consequence") == "quarantine",
    )


def _utc(moment: datetime) -> datetime:
    """Give a moment read from Spark its time zone back: pyspark returns it naive, in this process's zone."""
    return moment.astimezone(timezone.utc)
