"""Alerts about single events, from a topic to a topic: within milliseconds where the runtime has real-time mode.

Real-time mode keeps one core for each partition and hands every event on as it comes. It knows no state, no tables and
no `foreachBatch`, so only what follows from one event alone can go this way; the rest are alerts of `StreamAlerts`.
Everywhere else the same query runs in micro-batches. Either way an alert comes at least once, each time under one id.

Source: Databricks documentation, "Real-time mode in Structured Streaming"; Spark 4.1, class RealTimeTrigger.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from pyspark.sql import functions as F

from databricks_utils.config.secrets import secrets_of_place
from databricks_utils.errors import InvalidInput, RunFailed
from databricks_utils.logging import log_context
from databricks_utils.observability import flush_metrics
from databricks_utils.pipeline import Lakehouse
from databricks_utils.retry import is_transient
from databricks_utils.runtime import major_minor, on_databricks, runtime_version
from databricks_utils.session import over_connect
from databricks_utils.streaming.broker import (
    BROKERS,
    check_streaming,
    connection_options,
    source_options,
)
from databricks_utils.streaming.checkpoint import checkpoint_path
from databricks_utils.streaming.definition import EventAlerts, StreamPipeline, StreamSilver
from databricks_utils.streaming.events import prepare_events
from databricks_utils.streaming.failure import described, is_over_soon
from databricks_utils.streaming.metrics import StreamMetrics
from databricks_utils.streaming.pace import SAVE_SECONDS, WATCH_SECONDS, Listener, check_duration, wait_for_an_end
from databricks_utils.streaming.progress import BatchProgress, ProgressReader, ProgressStore
from databricks_utils.streaming.single_rows import check_single_rows
from databricks_utils.streaming.topics import TopicWatch

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery
    from pyspark.sql.streaming.readwriter import DataStreamWriter

_LOG = logging.getLogger(__name__)
#: `available_now` is micro-batches that end when nothing is left.
Mode = Literal["real_time", "micro_batch", "available_now"]
#: How often a real-time query notes how far it is; after a crash the events since then are told again.
NOTED_EVERY = "5 seconds"
_FIRST_RUNTIME = (16, 4)


def possible_mode(spark: SparkSession) -> Mode:
    """Return the fastest way this session can hand events on."""
    if over_connect(spark):
        return "micro_batch"
    if on_databricks():
        return "real_time" if runtime_version() >= _FIRST_RUNTIME else "micro_batch"
    return "real_time" if _open_source_trigger(spark) is not None else "micro_batch"


def run_event_alerts(
    lakehouse: Lakehouse,
    pipeline: StreamPipeline,
    *,
    mode: Mode | None = None,
    for_seconds: float | None = None,
    run_id: str | None = None,
    on_progress: Listener | None = None,
    until: Callable[[], bool] | None = None,
) -> dict[str, int]:
    """Tell the topic `streaming.alerts.topic` about events, and note progress in `operations.stream_progress`.

    With `trigger: available_now` the run ends when every event that was there has been looked at. With
    `trigger: processing_time` it goes on until it is stopped, or until its time is over; events of the last seconds are
    then looked at by the next run, since the checkpoint has not yet passed them.

    Args:
        lakehouse: The open lakehouse.
        pipeline: Says what is told.
        mode: By default the fastest one that the session and the trigger allow.
        for_seconds: How long to run, with `trigger: processing_time`.
        run_id: Name of the run.
        on_progress: Called about once a second with the newest report of each query.
        until: Asked about once a second; true ends the run.

    Returns:
        Events looked at, by the alerts' name.

    Raises:
        InvalidInput: The pipeline tells nothing of single events, or the configuration contradicts itself.
        RunFailed: A query has died of something that does not pass by itself.
    """
    streaming = lakehouse.configuration.streaming
    check_streaming(streaming)
    if not pipeline.event_alerts:
        hint = "Give StreamPipeline event_alerts, or run the pipeline: its own alerts are among its tables"
        raise InvalidInput("Nothing is told of single events", where=f"StreamPipeline({pipeline.name!r})", hint=hint)
    if mode is None and streaming.trigger == "available_now":
        mode = "available_now"
    check_duration(for_seconds, endless=mode != "available_now")
    run_id = run_id or uuid4().hex
    run = _AlertRun(lakehouse, pipeline, mode, ProgressStore(lakehouse, run_id), on_progress or (lambda _: None))
    end = None if for_seconds is None else time.monotonic() + for_seconds
    with log_context(pipeline=pipeline.name, batch_id=run_id):
        try:
            run.start()
            while run.queries and not (until and until()) and (end is None or time.monotonic() < end):
                wait_for_an_end(lakehouse.spark)
                run.look()
        finally:
            run.stop()
            flush_metrics()
    return run.looked_at


@dataclass
class _AlertRun:
    lakehouse: Lakehouse
    pipeline: StreamPipeline
    mode: Mode | None
    store: ProgressStore
    on_progress: Listener

    def __post_init__(self) -> None:
        self.alerts = {alerts.name: alerts for alerts in self.pipeline.event_alerts}
        self.queries: dict[str, StreamingQuery] = {}
        self.looked_at, self.tries = dict.fromkeys(self.alerts, 0), dict.fromkeys(self.alerts, 0)
        self.reader = ProgressReader()
        self.metrics = StreamMetrics(self.pipeline.name)
        self.newest: dict[str, BatchProgress] = {}
        self.unsaved: list[BatchProgress] = []
        self.saved_at = self.watched_at = time.monotonic()

    def start(self) -> None:
        """Start every query."""
        for name in self.alerts:
            self.queries[name] = self._started(name)

    def look(self) -> None:
        """Listen to the queries; start those again that have died of something that passes by itself."""
        for name, query in list(self.queries.items()):
            active = query.isActive
            self._listen(name)
            if active:
                continue
            del self.queries[name]
            if self._goes_on(name, query):
                self.queries[name] = self._started(name)
        self.on_progress(dict(self.newest))
        if time.monotonic() - self.saved_at > SAVE_SECONDS:
            self._save()
        if time.monotonic() - self.watched_at > WATCH_SECONDS:
            for name in self.queries:
                self._watch(name).look_again()
            self.watched_at = time.monotonic()

    def stop(self) -> None:
        """Stop the queries, and keep what they have said last."""
        for name, query in self.queries.items():
            query.stop()
            self._listen(name)
        self._save()

    def _started(self, name: str) -> StreamingQuery:
        return start_event_alerts(self.lakehouse, self.pipeline, self.alerts[name], mode=self.mode)

    def _watch(self, name: str) -> TopicWatch:
        return topic_watch(self.lakehouse, self.pipeline, self.alerts[name])

    def _listen(self, name: str) -> None:
        for batch in self.reader.read(self.queries[name]):
            self.tries[name] = 0  # it got on: only faults without a batch between them count together
            self.newest[name] = batch
            self.looked_at[name] += batch.input_rows
            self.unsaved.append(batch)
            # No table has these alerts; the silver table whose events they are about says where they belong.
            self.metrics.record(batch, self.alerts[name].reads)

    def _save(self) -> None:
        self.store.save(self.unsaved)
        self.unsaved, self.saved_at = [], time.monotonic()

    def _goes_on(self, name: str, query: StreamingQuery) -> bool:
        error = query.exception()
        if error is None:
            return False  # nothing was left
        self.tries[name] += 1
        most = self.lakehouse.configuration.execution.retries
        if self.tries[name] <= most and (is_transient(error) or is_over_soon(error)):
            _LOG.warning("alerts start again: %s", name, extra={"event": "stream_restarted"})
            return True
        self._watch(name).look()
        hint = "The checkpoint stands where it was: mend the cause and run the same command again"
        raise RunFailed(described(error), where=f"alerts {name}", hint=hint) from error


def start_event_alerts(
    lakehouse: Lakehouse, pipeline: StreamPipeline, alerts: EventAlerts, *, mode: Mode | None = None
) -> StreamingQuery:
    """Start telling the topic `streaming.alerts.topic` about events.

    Args:
        lakehouse: Gives configuration, contracts and session.
        pipeline: Has the silver table and its topic.
        alerts: What is told.
        mode: The fastest possible one by default.

    Raises:
        InvalidInput: The source is no broker, or no topic for alerts is configured.
        RunFailed: The topic was deleted and created again.
    """
    streaming = lakehouse.configuration.streaming
    if streaming.source not in BROKERS or not streaming.alerts.topic:
        hint = "Take source: kafka or event_hubs and name streaming.alerts.topic"
        raise InvalidInput("Alerts about events go from a topic to a topic", where="config: streaming", hint=hint)
    options = connection_options(streaming, streaming.alerts.topic, secrets_of_place())
    topic_watch(lakehouse, pipeline, alerts).look()
    writer = (
        _messages(lakehouse, pipeline, alerts)
        .writeStream.queryName(alerts.name)
        .format("kafka")
        .options(**options)
        .option("topic", streaming.alerts.topic)
        .option("checkpointLocation", _checkpoint(lakehouse, pipeline, alerts))
        .outputMode("update")
    )
    match mode or possible_mode(lakehouse.spark):
        case "available_now":
            return writer.trigger(availableNow=True).start()
        case "micro_batch":
            return writer.trigger(processingTime="0 seconds").start()
        case "real_time":
            return _real_time(lakehouse.spark, writer).start()


def topic_watch(lakehouse: Lakehouse, pipeline: StreamPipeline, alerts: EventAlerts) -> TopicWatch:
    """Return what looks whether the topic of alerts is still the one that they have read."""
    topic = _topic(pipeline, pipeline.silver(alerts.reads))
    where = f"EventAlerts({alerts.name!r}, version={alerts.version}), topic {topic}"
    return TopicWatch(lakehouse, topic, _checkpoint(lakehouse, pipeline, alerts), where)


def _checkpoint(lakehouse: Lakehouse, pipeline: StreamPipeline, alerts: EventAlerts) -> str:
    return checkpoint_path(lakehouse, pipeline.name, alerts.name, alerts.version)


def _messages(lakehouse: Lakehouse, pipeline: StreamPipeline, alerts: EventAlerts) -> DataFrame:
    check_single_rows(lakehouse, alerts)
    node = pipeline.silver(alerts.reads)
    contract, topic = lakehouse.contract(node.table), _topic(pipeline, node)
    # A limit for each batch is unknown to real-time mode, which has no batches.
    options = source_options(lakehouse.configuration.streaming, topic, secrets_of_place())
    options.pop("maxOffsetsPerTrigger", None)
    received = lakehouse.spark.readStream.format("kafka").options(**options).load()
    nothing = F.lit(None).cast("string")
    shaped = received.withColumns(
        {
            "_source_file": nothing,
            "_source_system": nothing,
            "_batch_id": nothing,
            "_ingestion_timestamp": F.current_timestamp(),
            "_timestamp_type": F.col("timestampType"),
        }
    )
    valid = prepare_events(shaped, contract, lakehouse, node).where("_is_valid")
    found = alerts.transform(valid.select(*contract.column_names), **lakehouse.parameters_for(alerts))
    return found.select(
        F.concat_ws("|", *alerts.key).alias("key"),
        F.to_json(F.struct(*[F.col(name) for name in found.columns])).alias("value"),
    )


def _topic(pipeline: StreamPipeline, node: StreamSilver) -> str:
    return str(getattr(pipeline.node(node.reads), "topic", ""))


def _real_time(spark: SparkSession, writer: DataStreamWriter) -> DataStreamWriter:
    if on_databricks():
        databricks: Any = writer
        return databricks.trigger(realTime=NOTED_EVERY)  # type: ignore[no-any-return]  # open-source Spark has no such trigger
    trigger = _open_source_trigger(spark)
    if trigger is None:
        raise InvalidInput("This Spark has no real-time mode", hint='Take mode="micro_batch", or Spark 4.1 and later')
    # Python before Spark 4.2 cannot name this trigger, so it is handed to the JVM; nothing else here touches the JVM.
    inner: Any = writer
    inner._jwrite = inner._jwrite.trigger(trigger.apply(NOTED_EVERY))
    return writer


def _open_source_trigger(spark: SparkSession) -> Any:
    """Return the trigger's class in the JVM of a classic session, or None where it has none."""
    if over_connect(spark) or major_minor(spark.version) < (4, 1):
        return None
    classic: Any = spark
    found = classic._jvm.org.apache.spark.sql.execution.streaming.RealTimeTrigger
    # A class that does not exist is given as a package.
    return found if type(found).__name__ == "JavaClass" else None
