"""From raw bytes to typed, labelled events; all of it is decided by the row alone, so that a repetition agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from databricks_utils.contracts import Contract, parse_schema
from databricks_utils.data_quality import Rule, cast_to_contract, label, row_rules
from databricks_utils.data_quality.casting import cast_source
from databricks_utils.medallion import Lakehouse, technical
from databricks_utils.medallion.json_text import garbled, readable, with_object_fields
from databricks_utils.streaming.definition import StreamSilver, with_watermark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

POSITION = ("_topic", "_partition", "_offset", "_arrived_at")
_POSITION = "_topic STRING, _partition INT, _offset BIGINT, _arrived_at TIMESTAMP"
#: What is known of an event besides its fields; written out, since a declarative pipeline knows no schema in advance.
_AROUND = ("_raw", *POSITION, "_broker_timestamp", "_source_file", "_ingestion_timestamp", "_batch_id")
_LABELS = ("_validation_errors", "_validation_warnings", "_is_valid")


def silver_columns() -> StructType:
    """Return the technical columns of a silver table: those of every silver table, and where the event was."""
    return parse_schema(f"{technical.SILVER}, {_POSITION}")


def quarantine_columns() -> StructType:
    """Return the columns of a quarantine: the event as text, the reasons, and where its bytes are."""
    return parse_schema(f"{technical.QUARANTINE}, {_POSITION}")


def prepare_events(bronze: DataFrame, contract: Contract, lakehouse: Lakehouse, node: StreamSilver) -> DataFrame:
    """Parse, type and transform bronze rows, and label each with what is wrong with it.

    Args:
        bronze: Rows of the bronze table, streamed or not.
        contract: The silver table's contract.
        lakehouse: Gives parameters to the transformation.
        node: The table's definition.

    Returns:
        The contract's columns, `_raw` STRING, the technical columns of bronze, the position of the event, and
        `_validation_errors`, `_validation_warnings`, `_is_valid`; as many rows as came in.
    """
    keys = event_keys(contract)
    received = bronze.select(
        readable(F.col("value").cast("string")).alias("_raw"),
        F.col("topic").alias("_topic"),
        F.col("partition").alias("_partition"),
        F.col("offset").alias("_offset"),
        F.col("timestamp").alias("_broker_timestamp"),
        F.coalesce("timestamp", "_ingestion_timestamp").alias("_arrived_at"),
        "_source_file",
        "_ingestion_timestamp",
        "_batch_id",
    )
    fields = with_object_fields(received, "_raw", keys).select(*keys, "_corrupt_record", *_AROUND)
    # What is no UTF-8 arrives with marks in the place of letters, and is not taken for good.
    read = fields.withColumn("_malformed", F.col("_corrupt_record").isNotNull() | garbled([*keys]))
    typed = cast_to_contract(read, contract, available=list(keys))
    transformed = lakehouse.transformed(node, typed)
    rules = (*row_rules(contract), *time_rules(lakehouse, contract, node))
    # Spark looks for valid rows as early as it can: it would parse and check all events for that, with a copy of the
    # parser for every use of a field, and again for their columns. It does not look into what a generator makes.
    labelled = label(transformed, rules).withColumn("_is_valid", F.explode(F.array("_is_valid")))
    return labelled.select(
        *contract.column_names,
        *("_raw", "_corrupt_record", "_source_file", "_ingestion_timestamp", "_batch_id", *POSITION, *_LABELS),
    )


def event_keys(contract: Contract) -> dict[str, str]:
    """Return the key of an event that each received column is read from, by the column's name."""
    sources = [(source, column) for column in contract.columns if (source := cast_source(column))]
    return {source: column.received_as or source for source, column in reversed(sources)}


def time_rules(lakehouse: Lakehouse, contract: Contract, node: StreamSilver) -> tuple[Rule, ...]:
    """Return the rules that keep events away from the watermark which would harm or be dropped by it.

    One event from the far future would move the watermark so far that all others are dropped as late; an event older
    than the watermark's delay would be dropped without a word. Both go to the quarantine instead.
    """
    column, minutes = f"`{node.watermark.column}`", lakehouse.configuration.streaming.future_minutes
    future = f"{column} <= _arrived_at + INTERVAL '{minutes}' MINUTE"
    number, unit = node.watermark.delay.split()
    late = f"{column} >= _broker_timestamp - INTERVAL '{number}' {unit.removesuffix('s').upper()}"
    where = str(contract.path)
    return (
        Rule(f"{node.watermark.column}_not_future", node.watermark.column, "expression", "error", future, where),
        Rule(f"{node.watermark.column}_not_late", node.watermark.column, "expression", "error", late, where),
    )


def unique_events(labelled: DataFrame, contract: Contract, lakehouse: Lakehouse, node: StreamSilver) -> DataFrame:
    """Return the valid ones of labelled events as the silver table stores them, one for each key that is remembered."""
    slack = lakehouse.configuration.streaming.future_minutes
    valid = with_watermark(labelled.where("_is_valid"), node.watermark, slack)
    return accepted_events(valid.dropDuplicatesWithinWatermark(list(contract.key)), contract)


def first_events(labelled: DataFrame, contract: Contract) -> DataFrame:
    """Return the valid ones of all labelled events as the silver table stores them: of each key the first to arrive."""
    arrival = Window.partitionBy(*contract.key).orderBy("_arrived_at", "_partition", "_offset")
    ranked = labelled.where("_is_valid").withColumn("_rank", F.row_number().over(arrival))
    return accepted_events(ranked.where("_rank = 1"), contract)


def accepted_events(rows: DataFrame, contract: Contract) -> DataFrame:
    """Return labelled events as the silver table stores them."""
    stamped = rows.withColumn("_processing_timestamp", F.current_timestamp())
    return stamped.select(*contract.column_names, *silver_columns().names)


def rejected_events(labelled: DataFrame) -> DataFrame:
    """Return the bad ones of labelled events as the quarantine stores them."""
    columns = {
        "record": F.col("_raw"),
        "_rescued_data": F.lit(None).cast("string"),
        "_source_version": F.lit(None).cast("bigint"),
        "_processing_timestamp": F.current_timestamp(),
    }
    return labelled.where("NOT _is_valid").withColumns(columns).select(*quarantine_columns().names)
