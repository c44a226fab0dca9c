"""Alerts about single events, from a topic to a topic: within milliseconds where the runtime has real-time mode.

Real-time mode keeps one core for each partition and hands every event on as it comes. It knows no state, no tables and
no `foreachBatch`, so only what follows from one event alone can go this way; the rest are alerts of `StreamAlerts`.
Everywhere else the same query runs in micro-batches. Either way an alert comes at least once, each time under one id.

Source: Databricks documentation, "Real-time mode in Structured Streaming"; Spark 4.1, class RealTimeTrigger.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pyspark.sql import functions as F

from databricks_utils.errors import InvalidInput
from databricks_utils.medallion import Lakehouse
from databricks_utils.streaming.broker import connection_options, on_databricks, source_options
from databricks_utils.streaming.checkpoint import checkpoint_path
from databricks_utils.streaming.definition import StreamPipeline, StreamSilver
from databricks_utils.streaming.events import prepare_events
from databricks_utils.streaming.source import secrets_of_place

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery
    from pyspark.sql.streaming.readwriter import DataStreamWriter

Mode = Literal["real_time", "micro_batch"]
#: How often a real-time query notes how far it is; after a crash the events since then are told again.
NOTED_EVERY = "5 seconds"
_FIRST_RUNTIME = (16, 4)


@dataclass(frozen=True)
class EventAlerts:
    """Alerts that follow from one event alone.

    Args:
        name: Names the query and its checkpoint.
        reads: The silver table whose topic, contract and transformation the events have.
        transform: Pure function from valid events to alerts, one row for an alert: no aggregate, no join of streams.
        key: Columns that name an alert; they must follow from the event, never from a clock.
        version: Number of the checkpoint.
    """

    name: str
    reads: str
    transform: Callable[[DataFrame], DataFrame]
    key: tuple[str, ...] = ("alert_id",)
    version: int = 1


def possible_mode(spark: SparkSession) -> Mode:
    """Return the fastest way this session can hand events on."""
    if _over_connect(spark):
        return "micro_batch"
    if on_databricks():
        return "real_time" if _numbers(os.environ["DATABRICKS_RUNTIME_VERSION"]) >= _FIRST_RUNTIME else "micro_batch"
    return "real_time" if _open_source_trigger(spark) is not None else "micro_batch"


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
    """
    streaming = lakehouse.configuration.streaming
    if streaming.source not in ("kafka", "event_hubs") or not streaming.alerts.topic:
        hint = "Take source: kafka or event_hubs and name streaming.alerts.topic"
        raise InvalidInput("Alerts about events go from a topic to a topic", where="config: streaming", hint=hint)
    options = connection_options(streaming, streaming.alerts.topic, secrets_of_place())
    writer = (
        _messages(lakehouse, pipeline, alerts)
        .writeStream.queryName(alerts.name)
        .format("kafka")
        .options(**options)
        .option("topic", streaming.alerts.topic)
        .option("checkpointLocation", checkpoint_path(lakehouse, pipeline.name, alerts.name, alerts.version))
        .outputMode("update")
    )
    if (mode or possible_mode(lakehouse.spark)) == "micro_batch":
        return writer.trigger(processingTime="0 seconds").start()
    return _real_time(lakehouse.spark, writer).start()


def _messages(lakehouse: Lakehouse, pipeline: StreamPipeline, alerts: EventAlerts) -> DataFrame:
    node = pipeline.silver(alerts.reads)
    contract, topic = lakehouse.contract(node.table), _topic(pipeline, node)
    # A limit for each batch is unknown to real-time mode, which has no batches.
    options = source_options(lakehouse.configuration.streaming, topic, secrets_of_place())
    options.pop("maxOffsetsPerTrigger", None)
    received = lakehouse.spark.readStream.format("kafka").options(**options).load()
    nothing = F.lit(None).cast("string")
    shaped = received.withColumns(
        {"_source_file": nothing, "_batch_id": nothing, "_ingestion_timestamp": F.col("timestamp")}
    )
    valid = prepare_events(shaped, contract, lakehouse, node).where("_is_valid")
    found = alerts.transform(valid.select(*contract.column_names))
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
    if _over_connect(spark) or _numbers(spark.version) < (4, 1):
        return None
    classic: Any = spark
    found = classic._jvm.org.apache.spark.sql.execution.streaming.RealTimeTrigger
    # A class that does not exist is given as a package.
    return found if type(found).__name__ == "JavaClass" else None


def _over_connect(spark: SparkSession) -> bool:
    return type(spark).__module__.startswith("pyspark.sql.connect")


def _numbers(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version; that of serverless compute begins with a word and has none."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return tuple(map(int, found.groups())) if found else ()
