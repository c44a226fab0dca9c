"""The queries of a pipeline: what each reads, how it writes, where it remembers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pyspark.sql import functions as F

from databricks_utils.config import resolve_secret
from databricks_utils.config.secrets import secrets_of_place
from databricks_utils.errors import InvalidInput
from databricks_utils.pipeline import Lakehouse, quarantine_of, technical
from databricks_utils.pipeline.checkpoint import fills_another
from databricks_utils.streaming.agreement import check_streams
from databricks_utils.streaming.broker import BROKERS, connection_options
from databricks_utils.streaming.checkpoint import application_id, checkpoint_path, is_new
from databricks_utils.streaming.definition import (
    StreamAlerts,
    StreamBronze,
    StreamGold,
    StreamNode,
    StreamPipeline,
    StreamSilver,
    with_watermark,
)
from databricks_utils.streaming.delivery import Delivery
from databricks_utils.streaming.events import (
    bronze_columns,
    prepare_events,
    quarantine_columns,
    rejected_events,
    silver_columns,
    unique_events,
)
from databricks_utils.streaming.single_rows import check_single_rows
from databricks_utils.streaming.source import bronze_rows, received_events
from databricks_utils.streaming.topics import TopicWatch
from databricks_utils.streaming.writer import AlertOnce, AppendOnce, BronzeOnce, SetByKey

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.streaming.query import StreamingQuery

Write = Callable[["DataFrame", int], None]


@dataclass(frozen=True)
class StreamQuery:
    """One query, ready to be started.

    Args:
        name: The table it writes, `layer.table`.
        node: The table's definition; a quarantine has its silver table's.
        checkpoint: Folder.
        rows: Builds the streaming frame.
        write: Writes one batch.
        output_mode: Spark's output mode.
        watch: Looks whether the topic that it reads is still the same; None where it reads none.
    """

    name: str
    node: StreamNode
    checkpoint: str
    rows: Callable[[], DataFrame]
    write: Write
    output_mode: Literal["append", "update"] = "append"
    watch: TopicWatch | None = None

    def start(self, interval_seconds: float | None) -> StreamingQuery:
        """Start the query.

        Args:
            interval_seconds: Pause between batches; None ends the query when nothing is left.

        Raises:
            RunFailed: Its topic was deleted and created again.
        """
        if self.watch is not None:
            self.watch.look()
        writer = (
            self.rows()
            .writeStream.queryName(self.name)
            .option("checkpointLocation", self.checkpoint)
            .outputMode(self.output_mode)
            .foreachBatch(self.write)
        )
        if interval_seconds is None:
            return writer.trigger(availableNow=True).start()
        return writer.trigger(processingTime=f"{round(interval_seconds * 1000)} milliseconds").start()


def stream_queries(
    lakehouse: Lakehouse, pipeline: StreamPipeline, nodes: Sequence[StreamNode], *, alone: bool = False
) -> list[StreamQuery]:
    """Create the tables of the nodes where they are missing and return the queries that fill them, in running order.

    Args:
        lakehouse: The open lakehouse.
        pipeline: The definition.
        nodes: Some of its tables.
        alone: This process writes the batches itself, and locks keep every other one from the tables meanwhile.

    Raises:
        InvalidInput: A table has no contract, or one that does not agree with the definition, the source is configured
            wrongly, a silver table with a new checkpoint still holds what it would be given again, or a table was made
            again beside the checkpoint of the one before.
    """
    check_streams(pipeline, lakehouse.contracts)
    there = {name for name in written_tables(nodes) if lakehouse.exists(name)}
    queries: list[StreamQuery] = []
    for node in nodes:
        if isinstance(node, StreamBronze):
            queries.append(_bronze(lakehouse, pipeline, node, alone))
        elif isinstance(node, StreamSilver):
            queries += _silver(lakehouse, pipeline, node, alone)
        elif isinstance(node, StreamGold):
            queries.append(_gold(lakehouse, pipeline, node))
        else:
            queries.append(_alerts(lakehouse, pipeline, node))
    _check_filled(lakehouse, queries, there)
    return queries


def written_tables(nodes: Sequence[StreamNode]) -> list[str]:
    """Return the names of the tables that the queries of nodes write, `layer.table`; a quarantine is one."""
    quarantines = [quarantine_of(node.table) for node in nodes if isinstance(node, StreamSilver)]
    return [*(node.table for node in nodes), *quarantines]


def _bronze(lakehouse: Lakehouse, pipeline: StreamPipeline, node: StreamBronze, alone: bool) -> StreamQuery:
    contract = lakehouse.contract(node.table)
    lakehouse.ensure_table(contract, bronze_columns())
    checkpoint = checkpoint_path(lakehouse, pipeline.name, node.table, node.version)
    columns = (*contract.column_names, *bronze_columns().names)
    append = _append(lakehouse, node.table, checkpoint, alone)
    source = lakehouse.configuration.streaming.source
    where = f"StreamBronze({node.name!r}, topic={node.topic!r}, version={node.version})"
    return StreamQuery(
        node.table,
        node,
        checkpoint,
        lambda: received_events(lakehouse, node),
        BronzeOnce(append, source, columns),
        watch=TopicWatch(lakehouse, node.topic, checkpoint, where, node.table) if source in BROKERS else None,
    )


def _silver(lakehouse: Lakehouse, pipeline: StreamPipeline, node: StreamSilver, alone: bool) -> list[StreamQuery]:
    contract, quarantine = lakehouse.contract(node.table), quarantine_of(node.table)
    lakehouse.ensure_table(contract, silver_columns())
    lakehouse.ensure_columns(quarantine, quarantine_columns())

    def unique() -> DataFrame:
        return silver_rows(lakehouse, node, bronze_rows(_appended(lakehouse, node.reads)))

    def rejected() -> DataFrame:
        received = bronze_rows(_appended(lakehouse, node.reads))
        return rejected_events(prepare_events(received, contract, lakehouse, node))

    places = {name: checkpoint_path(lakehouse, pipeline.name, name, node.version) for name in (node.table, quarantine)}
    _check_emptied(lakehouse, pipeline, node, [name for name, place in places.items() if is_new(place)])
    rows = {node.table: unique, quarantine: rejected}
    return [
        StreamQuery(name, node, place, rows[name], _append(lakehouse, name, place, alone))
        for name, place in places.items()
    ]


def silver_rows(lakehouse: Lakehouse, node: StreamSilver, bronze: DataFrame) -> DataFrame:
    """Return the stream of a silver table from that of its bronze table."""
    contract = lakehouse.contract(node.table)
    return unique_events(prepare_events(bronze, contract, lakehouse, node), contract, lakehouse, node)


def gold_rows(lakehouse: Lakehouse, node: StreamGold, silver: Sequence[DataFrame]) -> DataFrame:
    """Return the stream of a gold table from those of its silver tables, which bear their watermarks."""
    rows: DataFrame = node.transform(*silver, **lakehouse.parameters_for(node))
    return rows.select(*lakehouse.contract(node.table).column_names)


def _check_emptied(lakehouse: Lakehouse, pipeline: StreamPipeline, node: StreamSilver, begun: Sequence[str]) -> None:
    """Refuse to append a second time what a silver table or its quarantine holds already; `begun` have new checkpoints.

    What arrived before the oldest event of bronze, where retention has deleted the bytes, cannot come again and stays.
    """
    # The first commit of a table creates it, so that a new one is not looked at.
    filled = [name for name in begun if lakehouse.version(name) > 0]
    if not filled or not lakehouse.exists(node.reads):
        return
    # Both tables have from bronze when an event was written there, whatever clock its own times are of.
    first, last = F.min("_ingestion_timestamp").alias("first"), F.max("_ingestion_timestamp").alias("last")
    held = {name: lakehouse.read(name).agg(first, last).collect()[0] for name in filled}
    arrived = F.min("_ingestion_timestamp")
    written = F.date_format(arrived, "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX")
    oldest = lakehouse.read(node.reads).agg(arrived.alias("at"), written.alias("text")).collect()[0]
    again = {name: row for name, row in held.items() if row.last and oldest.at and row.last >= oldest.at}
    if not again:
        return
    deletions = [
        f"DELETE FROM {lakehouse.identifier(name)}"
        + ("" if row.first >= oldest.at else f" WHERE _ingestion_timestamp >= '{oldest.text}'")
        for name, row in again.items()
    ]
    # A key that no longer arises is not set again, so that its row would stay.
    deletions += [
        f"DELETE FROM {lakehouse.identifier(gold.table)}"
        for gold in pipeline
        if isinstance(gold, StreamGold) and node.table in gold.inputs and lakehouse.exists(gold.table)
    ]
    raise InvalidInput(
        f"{' and '.join(again)} would get the events of {node.reads} a second time: version {node.version} has a new "
        "checkpoint, which begins at the oldest event",
        where=f"StreamSilver({node.name!r}, version={node.version})",
        hint=f"Stop the streams, run these statements, and start again: {'; '.join(deletions)}",
    )


def _check_filled(lakehouse: Lakehouse, queries: Sequence[StreamQuery], there: Collection[str]) -> None:
    """Refuse to go on behind rows that went with a table which was dropped; `there` existed before this start."""
    lacking = [
        query
        for query in queries
        if fills_another(query.checkpoint, str(lakehouse.identity(query.name)), is_new=query.name not in there)
    ]
    if lacking:
        names = ", ".join(query.name for query in lacking)
        definitions = (f"{type(query.node).__name__}({query.node.name!r}, version=…)" for query in lacking)
        raise InvalidInput(
            f"{names}: dropped and made again, and the checkpoint goes on behind the rows that are gone",
            where=", ".join(dict.fromkeys(definitions)),
            hint="Raise the version in the definition, so that all that its source still has is read again",
        )


def _gold(lakehouse: Lakehouse, pipeline: StreamPipeline, node: StreamGold) -> StreamQuery:
    contract = lakehouse.contract(node.table)
    lakehouse.ensure_table(contract, technical.columns("gold"))
    reads = {table: pipeline.silver(table).version for table in node.inputs}
    checkpoint = checkpoint_path(lakehouse, pipeline.name, node.table, node.version, reads)
    slack = lakehouse.configuration.streaming.future_minutes

    def computed() -> DataFrame:
        streams = [
            with_watermark(_appended(lakehouse, table), pipeline.silver(table).watermark, slack)
            for table in node.inputs
        ]
        return gold_rows(lakehouse, node, streams)

    write: Write = SetByKey(
        lakehouse.identifier(node.table), contract.key, contract.column_names, lakehouse.folder(node.table)
    )
    mode: Literal["append", "update"] = "update" if node.emits == "updates" else "append"
    return StreamQuery(node.table, node, checkpoint, computed, write, mode)


def _alerts(lakehouse: Lakehouse, pipeline: StreamPipeline, node: StreamAlerts) -> StreamQuery:
    contract = lakehouse.contract(node.table)
    lakehouse.ensure_table(contract, technical.columns("gold"))
    for table in node.inputs:
        lakehouse.exists(table)
    checkpoint = checkpoint_path(lakehouse, pipeline.name, node.table, node.version)
    lookups = [item if isinstance(item, str) else item.table for item in node.lookups]
    check_single_rows(lakehouse, node, lookups)
    write = AlertOnce(
        identifier=lakehouse.identifier(node.table),
        key=contract.key,
        columns=contract.column_names,
        folder=lakehouse.folder(node.table),
        source_key=lakehouse.contract(node.reads).key,
        transform=node.transform,
        lookups=[lakehouse.identifier(table) for table in lookups],
        parameters=lakehouse.parameters_for(node),
        delivery=delivery_of(lakehouse),
    )
    return StreamQuery(node.table, node, checkpoint, lambda: _changes(lakehouse, node.reads), write)


def delivery_of(lakehouse: Lakehouse) -> Delivery:
    """Return who is told about alerts, as the configuration says; secrets are looked up here and not before."""
    streaming, secrets = lakehouse.configuration.streaming, secrets_of_place()
    alerts = streaming.alerts
    if alerts.topic and streaming.source not in BROKERS:
        hint = "Take source: kafka or event_hubs, or remove the topic"
        raise InvalidInput("A topic for alerts needs a broker", where="config: streaming.alerts.topic", hint=hint)
    options = connection_options(streaming, alerts.topic, secrets) if alerts.topic else {}
    webhook = resolve_secret(alerts.webhook, secrets).get_secret_value() if alerts.webhook else None
    return Delivery(alerts.topic, options, webhook)


def _append(lakehouse: Lakehouse, table: str, checkpoint: str, alone: bool) -> AppendOnce:
    application = application_id(table, table, checkpoint)
    return AppendOnce(lakehouse.identifier(table), application, lakehouse.folder(table), alone)


def _appended(lakehouse: Lakehouse, table: str) -> DataFrame:
    # Retention and erasure delete rows; a stream must pass over such commits, not stop at them.
    most = lakehouse.configuration.streaming.max_files_per_batch
    reader = lakehouse.spark.readStream.option("skipChangeCommits", "true").option("maxFilesPerTrigger", most)
    lakehouse.exists(table)
    return reader.table(lakehouse.identifier(table))


def _changes(lakehouse: Lakehouse, table: str) -> DataFrame:
    lakehouse.exists(table)
    return lakehouse.spark.readStream.option("readChangeFeed", "true").table(lakehouse.identifier(table))
