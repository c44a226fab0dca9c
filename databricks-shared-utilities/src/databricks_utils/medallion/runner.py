"""Walking the pipeline in this process: independent tables side by side, each after what it reads.

On Databricks every task of the job is such a walk over one table or a few; the order between tasks is the job's.
"""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from graphlib import TopologicalSorter
from uuid import uuid4

from databricks_utils.errors import RunFailed
from databricks_utils.logging import log_context
from databricks_utils.medallion.dependence import Dependence
from databricks_utils.medallion.pipeline import Node, Pipeline
from databricks_utils.medallion.progress import Position, Progress, load_progress, save_progress
from databricks_utils.medallion.rehearsal import rehearse
from databricks_utils.medallion.steps import Step, run_step
from databricks_utils.observability import RunResult, RunStore, TableResult, span
from databricks_utils.pipeline.clock import Clock
from databricks_utils.pipeline.failure import RUNBOOK, cause_of, explained, kind_name, kind_of
from databricks_utils.pipeline.lakehouse import Lakehouse
from databricks_utils.pipeline.trail import followed
from databricks_utils.spark_client import spark_pool

_LOG = logging.getLogger(__name__)

#: Called with each table's result as soon as it is known.
Listener = Callable[[TableResult], None]


def run_pipeline(
    lakehouse: Lakehouse,
    pipeline: Pipeline,
    *,
    tables: Sequence[str] = (),
    full_refresh: bool = False,
    run_id: str | None = None,
    on_table: Listener | None = None,
) -> RunResult:
    """Run the pipeline, or some of its tables, and record the run.

    A table that fails does not stop its neighbours; what reads it is reported as blocked.

    Args:
        lakehouse: The open lakehouse.
        pipeline: The definition.
        tables: `layer.table` names; all when empty.
        full_refresh: Compute silver and gold again from all of bronze. Bronze itself is the record and is kept.
        run_id: Name of the run, for tasks that belong to one job run.
        on_table: Called with each table's result.

    Raises:
        InputProblems: A transformation does not fit its contract, or cannot be computed from changed rows alone.
        TableBusy: Another run holds one of the tables.
        RunFailed: The tables are written and the note about it is not.
    """
    nodes = pipeline.selected(tables)
    clock = Clock()
    run_id = run_id or uuid4().hex
    dependences = rehearse(lakehouse, nodes)
    written, read = [node.table for node in nodes], [table for node in nodes for table in node.inputs]
    with (
        log_context(pipeline=pipeline.name, batch_id=run_id),
        span(f"run {pipeline.name}", run_id=run_id),
        # Held until the positions are noted: who comes next must know how far these tables have read.
        lakehouse.held(written, read, run_id),
    ):
        progress = load_progress(lakehouse)
        walk = _Walk(
            lakehouse, pipeline, nodes, dependences, progress, full_refresh, run_id, on_table or (lambda _: None)
        )
        steps = walk.run()
        run = RunResult(
            run_id=run_id,
            pipeline=pipeline.name,
            environment=lakehouse.configuration.environment,
            started_at=clock.at,
            duration_seconds=clock.seconds(),
            tables=tuple(step.result for step in steps),
            parameters={"tables": ",".join(tables), "full_refresh": str(full_refresh).lower()},
        )
        # First what was found, then how far was read: who dies between the two reads again, and finds it again.
        # The other way about the next try would find nothing new, and a breach would be forgotten.
        with _recording(run_id, "what it did"):
            RunStore(lakehouse.namespace).save(lakehouse.spark, run)
        moved = [step.position for step in steps if step.position]
        with _recording(run_id, "how far its tables have read"):
            _note_positions(lakehouse, progress, moved, run)
    return run


def _note_positions(lakehouse: Lakehouse, progress: Progress, moved: Sequence[Position], run: RunResult) -> None:
    """Note how far tables have read; where that fails, they are on record as failed, as their task is."""
    try:
        save_progress(lakehouse, progress, moved, run.run_id)
    except Exception as error:
        names = {position.table for position in moved}
        told = f"Written, but how far it has read could not be noted: {cause_of(error)}"
        now = datetime.now(timezone.utc)
        failed = [
            replace(table, status="failed", started_at=now, rules=(), error=told, error_kind=kind_name(error))
            for table in run.tables
            if table.table in names
        ]
        with suppress(Exception):  # the first error is the one to tell
            RunStore(lakehouse.namespace).save(lakehouse.spark, replace(run, started_at=now, tables=tuple(failed)))
        raise


@contextmanager
def _recording(run_id: str, what: str) -> Iterator[None]:
    """Say of an error that the tables are written and only the note about them is missing.

    Raises:
        RunFailed: The note could not be written.
    """
    try:
        yield
    except Exception as error:
        kind = kind_of(error)
        raise RunFailed(
            f"The tables are written, but run {run_id[:12]} could not note {what}: {cause_of(error)}",
            where="schemas.operations",
            hint=f"{kind.hint} ({RUNBOOK}#{kind.name}). Reading something twice changes nothing",
        ) from error


@dataclass
class _Walk:
    lakehouse: Lakehouse
    pipeline: Pipeline
    nodes: Sequence[Node]
    dependences: Mapping[str, Dependence]
    progress: Progress
    full_refresh: bool
    run_id: str
    on_table: Listener
    finished: dict[str, Step] = field(default_factory=dict)

    def run(self) -> list[Step]:
        chosen = {node.table: node for node in self.nodes}
        order = {table: self.pipeline.prerequisites(node, self.lakehouse.contracts) for table, node in chosen.items()}
        sorter = TopologicalSorter(
            {table: [other for other in before if other in chosen] for table, before in order.items()}
        )
        sorter.prepare()
        running: dict[Future[Step], str] = {}
        with spark_pool(self.lakehouse.spark, self.lakehouse.configuration.execution.parallel_tables) as pool:
            while sorter.is_active():
                for table in sorted(sorter.get_ready()):
                    context = contextvars.copy_context()
                    running[pool.submit(context.run, self._turn, chosen[table])] = table
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    table = running.pop(future)
                    self.finished[table] = future.result()
                    self.on_table(self.finished[table].result)
                    sorter.done(table)
        return [self.finished[node.table] for node in self.nodes]

    def _turn(self, node: Node) -> Step:
        clock = Clock()
        missing = [source for source in node.inputs if self._failed(source)]
        if missing:
            reason = f"not run because {', '.join(missing)} failed"
            return Step(replace(clock.result(node, "blocked"), error=reason))
        position: Position = self.progress.of(node.table)
        with followed() as trail:
            try:
                dependence = self.dependences.get(node.table)
                return run_step(self.lakehouse, node, position, dependence, full_refresh=self.full_refresh)
            except Exception as error:  # one table's failure, whatever it is, must not hide the others
                _LOG.error("table failed", exc_info=error, extra={"event": "table_failed", "status": "failed"})
                told = explained(error, trail, self.run_id)
                return Step(replace(clock.result(node, "failed"), error=told, error_kind=kind_name(error)))

    def _failed(self, table: str) -> bool:
        step = self.finished.get(table)
        return step is not None and step.result.status in ("failed", "blocked")
