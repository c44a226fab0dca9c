"""Running the queries of a pipeline: until nothing is left, for some time, or until they are stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import groupby
from typing import TYPE_CHECKING
from uuid import uuid4

from databricks_utils.data_quality import RuleResult
from databricks_utils.errors import LakehouseError
from databricks_utils.logging import log_context
from databricks_utils.observability import RunResult, RunStore, TableResult, flush_metrics, span
from databricks_utils.pipeline import Lakehouse, quarantine_of
from databricks_utils.retry import is_transient
from databricks_utils.session import over_connect
from databricks_utils.spark_client import spark_pool
from databricks_utils.streaming.broker import check_streaming
from databricks_utils.streaming.checks import rules_of_node
from databricks_utils.streaming.definition import StreamBronze, StreamNode, StreamPipeline, StreamSilver
from databricks_utils.streaming.failure import described, explained, is_over_soon
from databricks_utils.streaming.late import LateEvents
from databricks_utils.streaming.metrics import StreamMetrics
from databricks_utils.streaming.outcome import StreamOutcome, stream_result
from databricks_utils.streaming.pace import (
    ASK_SECONDS,
    SAVE_SECONDS,
    WATCH_SECONDS,
    Listener,
    check_duration,
    wait_for_an_end,
)
from databricks_utils.streaming.progress import BatchProgress, ProgressReader, ProgressStore
from databricks_utils.streaming.queries import StreamQuery, stream_queries, written_tables

if TYPE_CHECKING:
    from pyspark.sql.streaming.query import StreamingQuery

_LOG = logging.getLogger(__name__)


def run_streams(
    lakehouse: Lakehouse,
    pipeline: StreamPipeline,
    *,
    tables: Sequence[str] = (),
    for_seconds: float | None = None,
    run_id: str | None = None,
    on_progress: Listener | None = None,
    until: Callable[[], bool] | None = None,
) -> RunResult:
    """Run the streams, or some of their tables, and record the run.

    With `trigger: available_now` the run ends when every event that was there is in every table, and the rules about
    whole tables are checked then: all of a table that has new rows, the age of the others. With
    `trigger: processing_time` it goes on until it is stopped, or until its time is over; then what has arrived is
    worked off, table after table, before it ends.

    Args:
        lakehouse: The open lakehouse.
        pipeline: The definition.
        tables: `layer.table` names; all when empty.
        for_seconds: How long to run, with `trigger: processing_time`.
        run_id: Name of the run.
        on_progress: Called about once a second with the newest report of each table.
        until: Asked about once a second; true ends the run as the end of its time does.

    Raises:
        InvalidInput: The section `streaming` of the configuration contradicts itself.
        TableBusy: Another run holds one of the tables of a warehouse folder.
    """
    streaming = lakehouse.configuration.streaming
    check_streaming(streaming)
    check_duration(for_seconds, endless=streaming.trigger != "available_now")
    run_id = run_id or uuid4().hex
    with log_context(pipeline=pipeline.name, batch_id=run_id), span(f"run {pipeline.name}", run_id=run_id):
        nodes = pipeline.selected(tables)
        with lakehouse.held(written_tables(nodes), [], run_id) as is_held:
            # Over Connect it is processes of the server that write.
            alone = is_held and not over_connect(lakehouse.spark)
            queries = stream_queries(lakehouse, pipeline, nodes, alone=alone)
            store, metrics = ProgressStore(lakehouse, run_id), StreamMetrics(pipeline.name)
            run = _StreamRun(lakehouse, queries, store, metrics, on_progress or (lambda _: None))
            if streaming.trigger == "available_now":
                run.to_the_end()
                if streaming.check_tables:
                    run.check()
            else:
                run.for_some_time(for_seconds, until or (lambda: False), streaming.interval_seconds)
            # Counted from the commits since the start, before somebody else adds to them.
            written = run.results()
        result = RunResult(
            run_id=run_id,
            pipeline=pipeline.name,
            environment=lakehouse.configuration.environment,
            started_at=run.started_at,
            duration_seconds=round(time.monotonic() - run.begin, 3),
            tables=written,
            parameters={"tables": ",".join(tables), "trigger": streaming.trigger, "source": streaming.source},
        )
        RunStore(lakehouse.namespace).save(lakehouse.spark, result)
        flush_metrics()
    return result


@dataclass
class _StreamRun:
    lakehouse: Lakehouse
    queries: Sequence[StreamQuery]
    store: ProgressStore
    metrics: StreamMetrics
    on_progress: Listener
    reader: ProgressReader = field(default_factory=ProgressReader)
    errors: dict[str, str] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    rules: dict[str, tuple[RuleResult, ...]] = field(default_factory=dict)
    started_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    begin: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.before = {query.name: self.lakehouse.version(query.name) for query in self.queries}
        self.tries = dict.fromkeys(self.before, 0)
        self.tables = {query.name: query.node.table for query in self.queries}
        self.late = {
            query.name: LateEvents(self.lakehouse, query.node, query.checkpoint)
            for query in self.queries
            if isinstance(query.node, StreamSilver) and query.name == query.node.table
        }
        self.newest: dict[str, BatchProgress] = {}
        self.unsaved: list[BatchProgress] = []
        self.saved_at = self.watched_at = self.begin

    def to_the_end(self) -> None:
        """Work off what is there, each table after those it reads."""
        for stage in self._stages():
            ready = [query for query in stage if not self._blocked(query)]
            for started in [(query, self._started(query, None)) for query in ready]:
                self._await(*started)
        self._finish()

    def check(self) -> None:
        """Check the rules about whole tables, where the tables are there and no stream of theirs has failed."""
        failed = {query.node.table for query in self.queries if query.name in self.errors or query.name in self.blocked}
        nodes = [
            query.node
            for query in self.queries
            if query.name == query.node.table and query.name not in failed and not isinstance(query.node, StreamBronze)
        ]
        with spark_pool(self.lakehouse.spark, self.lakehouse.configuration.execution.parallel_tables) as pool:
            self.rules = dict(zip([node.table for node in nodes], pool.map(self._checked, nodes), strict=True))

    def for_some_time(self, seconds: float | None, until: Callable[[], bool], interval: float) -> None:
        """Run all queries side by side, then drain them in order."""
        running = {query.name: (query, handle) for query in self.queries if (handle := self._started(query, interval))}
        end = None if seconds is None else self.begin + seconds
        try:
            while running and not self.errors and not until() and (end is None or time.monotonic() < end):
                wait_for_an_end(self.lakehouse.spark)
                self._listen([handle for _, handle in running.values()])
                for name, (query, handle) in list(running.items()):
                    if not handle.isActive:
                        again = self._again(query, handle, interval)
                        if again is None:
                            running.pop(name)
                        else:
                            running[name] = (query, again)
                self._watch([query for query, _ in running.values()])
        finally:
            self._drain(running)
            self._finish()

    def results(self) -> tuple[TableResult, ...]:
        """Return what the run did to each table, without the quarantines, which count in their silver tables."""
        tables = [query for query in self.queries if query.name == query.node.table]
        return tuple(self._result(query) for query in tables)

    def _stages(self) -> Iterator[list[StreamQuery]]:
        depth: dict[str, int] = {}
        for query in self.queries:
            depth[query.node.table] = 1 + max((depth.get(table, 0) for table in query.node.inputs), default=0)
        ordered = sorted(self.queries, key=lambda query: depth[query.node.table])
        for _, stage in groupby(ordered, key=lambda query: depth[query.node.table]):
            yield list(stage)

    def _started(self, query: StreamQuery, interval: float | None) -> StreamingQuery | None:
        late = self.late.get(query.name)
        try:
            if late is not None and late.begin():
                # What an earlier run had left belongs to that one.
                quarantine = quarantine_of(query.name)
                self.before[quarantine] = self.lakehouse.version(quarantine)
            return query.start(interval)
        except Exception as error:  # one query's failure, whatever it is, is that table's
            self._failed(query, error)
            return None

    def _await(self, query: StreamQuery, handle: StreamingQuery | None) -> None:
        if handle is None:
            return
        try:
            while not handle.awaitTermination(ASK_SECONDS):
                self._listen([handle])
        except Exception as error:  # as above
            self._failed(query, error)
        self._listen([handle])
        self._look(query)

    def _watch(self, running: Sequence[StreamQuery]) -> None:
        """Look now and then whether topics are still those that were read."""
        if time.monotonic() - self.watched_at > WATCH_SECONDS:
            for query in running:
                self._look(query)
            self.watched_at = time.monotonic()

    def _look(self, query: StreamQuery) -> None:
        if query.watch is None or query.name in self.errors:
            return
        try:
            query.watch.look_again()
        except LakehouseError as error:
            self._failed(query, error)

    def _again(
        self, query: StreamQuery, handle: StreamingQuery, interval: float | None, seen: Exception | None = None
    ) -> StreamingQuery | None:
        """Start a query again whose error can pass by itself; the checkpoint goes on where it was."""
        error = handle.exception() or seen or RuntimeError("it stopped by itself")
        self.tries[query.name] += 1
        if self.tries[query.name] <= self.lakehouse.configuration.execution.retries and (
            is_transient(error) or is_over_soon(error)
        ):
            _LOG.warning("stream starts again: %s", query.name, extra={"event": "stream_restarted"})
            return self._started(query, interval)
        self._failed(query, error)
        return None

    def _drain(self, running: dict[str, tuple[StreamQuery, StreamingQuery]]) -> None:
        for query in self.queries:
            if query.name not in running:
                continue
            handle = running[query.name][1]
            if not handle.isActive and not self.errors:
                # It died since it was last asked: what it has left undone is worked off now, or it has failed.
                self._await(query, self._again(query, handle, None))
                continue
            died_of: Exception | None = None
            try:
                if not self.errors and query.node.inputs:
                    handle.processAllAvailable()
            except Exception as error:  # as above
                died_of = error
            handle.stop()
            self._listen([handle])
            if died_of is not None:
                # Perhaps of what passes: a stream notices a column that its table has gained with its next batch.
                self._await(query, self._again(query, handle, None, died_of))
            elif not self.errors and not query.node.inputs:
                # A source that goes on sending has no end to wait for, so the end is what is there now.
                self._await(query, self._started(query, None))

    def _listen(self, handles: Sequence[StreamingQuery]) -> None:
        for handle in handles:
            for batch in self.reader.read(handle):
                # It got on: only faults without a batch between them count together, or a stream that runs for
                # months would end with the last of a few faults that all passed.
                self.tries[batch.query] = 0
                self.newest[batch.query] = batch
                self.unsaved.append(batch)
                self.metrics.record(batch, self.tables[batch.query])
        self.on_progress(dict(self.newest))
        if time.monotonic() - self.saved_at > SAVE_SECONDS:
            self._save()

    def _save(self) -> None:
        self.store.save(self.unsaved)
        for query in self.queries:
            if query.name in self.late and query.name in self.newest:
                self._settle(query, self.late[query.name])
        self.unsaved, self.saved_at = [], time.monotonic()

    def _settle(self, query: StreamQuery, late: LateEvents) -> None:
        try:
            late.settle(self.newest[query.name], self.reader.totals(query.name).rows_dropped_late)
        except Exception as error:  # as above
            self._failed(query, error)

    def _finish(self) -> None:
        self._save()
        for late in self.late.values():
            late.end()

    def _blocked(self, query: StreamQuery) -> bool:
        if any(table in self.errors or table in self.blocked for table in query.node.inputs):
            self.blocked.add(query.name)
        return query.name in self.blocked

    def _failed(self, query: StreamQuery, error: BaseException) -> None:
        error = _cause(query, error)
        self.errors[query.name] = described(error)
        # Where the cause is known, the stack of the JVM says nothing more.
        trace = None if explained(error) else error
        fields = {"event": "stream_failed", "status": "failed"}
        _LOG.error("stream failed: %s: %s", query.name, self.errors[query.name], exc_info=trace, extra=fields)

    def _checked(self, node: StreamNode) -> tuple[RuleResult, ...]:
        changed = self.lakehouse.version(node.table) > self.before[node.table]
        try:
            return rules_of_node(self.lakehouse, node, written=changed)
        except Exception as error:  # a rule that does not fit is its own table's failure
            self.errors[node.table] = described(error)
            return ()

    def _written(self, table: str) -> int:
        return sum(commit.rows_written for commit in self.lakehouse.commits_since(table, self.before[table]))

    def _result(self, query: StreamQuery) -> TableResult:
        late = self.late.get(query.name)
        outcome = StreamOutcome(
            totals=self.reader.totals(query.name),
            written=self._written(query.name),
            quarantined=0 if late is None else self._written(quarantine_of(query.name)),
            unaccounted=None if late is None else late.unaccounted,
            found=0 if late is None else late.found,
            rules=self.rules.get(query.name, ()),
            error=self.errors.get(query.name) or self.errors.get(quarantine_of(query.name)),
            blocked=query.name in self.blocked,
        )
        return stream_result(query.node, outcome, self.started_at, self.lakehouse.version(query.name))


def _cause(query: StreamQuery, error: BaseException) -> BaseException:
    """Return what an error of a query came from: of a topic that was created again Spark says many things."""
    if query.watch is None or isinstance(error, LakehouseError):
        return error
    try:
        query.watch.look()
    except LakehouseError as changed:
        return changed
    return error
