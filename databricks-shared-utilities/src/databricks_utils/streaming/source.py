"""Sources of events: whatever delivers them, bronze sees the same columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.config import SecretProvider

# Projects import it from here.
from databricks_utils.config.secrets import secrets_of_place as secrets_of_place
from databricks_utils.errors import InvalidInput
from databricks_utils.pipeline import Lakehouse
from databricks_utils.pipeline.checkpoint import ANY_AGE
from databricks_utils.streaming.broker import BROKERS, source_options
from databricks_utils.streaming.definition import StreamBronze

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

#: Columns of every bronze table of a stream, which its contract declares.
RECEIVED = "key BINARY, value BINARY, topic STRING, partition INT, offset BIGINT, timestamp TIMESTAMP"
#: Those of them that everything behind bronze needs.
NEEDED = ("value", "topic", "partition", "offset", "timestamp")


def received_events(lakehouse: Lakehouse, node: StreamBronze, secrets: SecretProvider | None = None) -> DataFrame:
    """Return the stream of a topic.

    Returns:
        The columns of `RECEIVED`, `_source_file` STRING and `_timestamp_type` INT. `timestamp` is the record's, and its
        type says whose clock that is of: 0 the producer's, 1 the broker's. Files and rates have no broker, so both are
        NULL there, as are partition and offset. Of a file every line is an event.

    Raises:
        InvalidInput: The folder of the events does not exist, or the broker's section is wrong.
    """
    source = lakehouse.configuration.streaming.source
    if source in BROKERS:
        return _from_broker(lakehouse, node, secrets or secrets_of_place())
    if source == "rate":
        return _generated(lakehouse, node)
    if source == "delta":
        return _from_table(lakehouse, node)
    return _from_files(lakehouse, node)


def bronze_rows(rows: DataFrame) -> DataFrame:
    """Return rows of a bronze table with the column that one of an earlier release lacks until its stream runs."""
    if "_timestamp_type" in rows.columns:
        return rows
    return rows.withColumn("_timestamp_type", F.lit(None).cast("int"))


def record_content() -> Column:
    """Return a number that tells two records of the same offset apart: one of value and time."""
    return F.xxhash64(F.struct("value", "timestamp"))


def _from_broker(lakehouse: Lakehouse, node: StreamBronze, secrets: SecretProvider) -> DataFrame:
    options = source_options(lakehouse.configuration.streaming, node.topic, secrets)
    stream = lakehouse.spark.readStream.format("kafka").options(**options).load()
    names = ("key", "value", "topic", "partition", "offset", "timestamp")
    nowhere, kind = F.lit(None).cast("string").alias("_source_file"), F.col("timestampType").alias("_timestamp_type")
    return stream.select(*names, nowhere, kind)


def _from_files(lakehouse: Lakehouse, node: StreamBronze) -> DataFrame:
    streaming, folder = lakehouse.configuration.streaming, f"{lakehouse.configuration.storage.landing}/{node.topic}"
    if streaming.source == "files" and lakehouse.configuration.storage.warehouse and not Path(folder).is_dir():
        hint = "Create it, or correct storage.landing in the configuration"
        raise InvalidInput(f"The folder with the events of {node.table} does not exist", where=folder, hint=hint)
    reader = lakehouse.spark.readStream
    if streaming.source == "auto_loader":
        options = {"cloudFiles.format": "text", "cloudFiles.maxFilesPerTrigger": str(streaming.max_files_per_batch)}
        lines = reader.format("cloudFiles").options(**options).schema("value STRING").load(folder)
    else:
        reader = reader.format("text").option("maxFilesPerTrigger", streaming.max_files_per_batch)
        reader = reader.option("maxFileAge", ANY_AGE)
        lines = reader.option("recursiveFileLookup", "true").load(folder)
    return _shaped(lines, node, F.col("value").cast("binary"), F.col("_metadata.file_path"))


def _from_table(lakehouse: Lakehouse, node: StreamBronze) -> DataFrame:
    # A table whose name is a path; it has the column value and perhaps more.
    folder = f"{lakehouse.configuration.storage.landing}/{node.topic}"
    rows = lakehouse.spark.readStream.format("delta").option("skipChangeCommits", "true").load(folder)
    return _shaped(rows, node, F.col("value").cast("binary"), F.lit(None).cast("string"))


def _generated(lakehouse: Lakehouse, node: StreamBronze) -> DataFrame:
    rate = lakehouse.configuration.streaming.rate_per_second
    ticks = lakehouse.spark.readStream.format("rate").option("rowsPerSecond", rate).load()
    event = F.to_json(F.struct(F.col("value").alias("number"), F.col("timestamp").alias("event_time")))
    return _shaped(ticks, node, event.cast("binary"), F.lit(None).cast("string"))


def _shaped(rows: DataFrame, node: StreamBronze, value: Column, file: Column) -> DataFrame:
    return rows.select(
        F.lit(None).cast("binary").alias("key"),
        value.alias("value"),
        F.lit(node.topic).alias("topic"),
        F.lit(None).cast("int").alias("partition"),
        F.lit(None).cast("bigint").alias("offset"),
        F.lit(None).cast("timestamp").alias("timestamp"),
        file.alias("_source_file"),
        F.lit(None).cast("int").alias("_timestamp_type"),
    )
