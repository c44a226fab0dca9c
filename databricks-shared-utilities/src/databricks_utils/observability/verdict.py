"""How a run of several tasks ended, from what its tasks have left on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from databricks_utils.observability.results import RunResult, TableResult
from databricks_utils.observability.store import RunStore

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: What a platform says of a task that has done its work.
SUCCESS = "success"
NO_RECORD = "nothing is on record: its task did not start, or ended before it could note what it did"


def judged(
    store: RunStore,
    spark: SparkSession,
    run_id: str,
    tables: Sequence[str],
    tasks: Mapping[str, str],
    *,
    pipeline: str,
    environment: str,
) -> RunResult:
    """Return a run as its last task sees it: nothing that should have happened in it is passed over.

    Args:
        store: The records.
        spark: The session.
        run_id: Name of the run.
        tables: `layer.table` of all tables that the run had to bring up to date.
        tasks: How tasks that leave no such records ended, by their key, as in `{"report": "success"}`.
        pipeline: Name of the pipeline, where nothing is on record.
        environment: Name of the environment, likewise.

    Returns:
        The run with its exit code: 1 where a table failed or is missing from the run's records, or a task did not end
        with success; otherwise 3 where any try of a table found a breach, which a try with nothing new does not undo;
        otherwise 0.
    """
    now = datetime.now(timezone.utc)
    found = store.named(spark, run_id) or RunResult(run_id, pipeline, environment, now, 0.0, ())
    recorded = {table.table: table for table in found.tables}
    missing = [
        TableResult(table, table.partition(".")[0], "failed", now, 0.0, error=NO_RECORD)
        for table in tables
        if table not in recorded
    ]
    failed = [
        TableResult(f"task {key}", "task", "failed", now, 0.0, error=f"the task ended with {state or 'no state'}")
        for key, state in tasks.items()
        if state.lower() != SUCCESS
    ]
    known = [recorded[table] for table in tables if table in recorded]
    return replace(found, tables=(*known, *missing, *failed), parameters={})
