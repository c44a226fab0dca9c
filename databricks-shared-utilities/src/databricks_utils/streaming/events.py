"""From raw bytes to typed, labelled events; all of it is decided by the row alone, so that a repetition agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from databricks_utils.contracts import Contract, parse_schema
from databricks_utils.data_quality import Rule, cast_to_contract, label, row_rules
from databricks_utils.data_quality.casting import cast_source
from databricks_utils.medallion.json_text import garbled, readable, with_object_fields
from databricks_utils.pipeline import Lakehouse, technical
from databricks_utils.streaming.definition import StreamSilver, with_watermark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

POSITION = ("_topic", "_partition", "_offset", "_arrived_at")
_POSITION = "_topic STRING, _partition INT, _offset BIGINT, _arrived_at TIMESTAMP"
#: What is known of an event besides its fields; written out, since a declarative pipeline knows no schema in advance.
_AROUND = ("_raw", *POSITION, "_sent_at", "_source_file", "_source_system", "_ingestion_timestamp", "_batch_id")
_LABELS = ("_validation_errors", "_validation_warnings", "_is_valid")
#: When a record was sent, by its own time: a clock that is ahead has not sent it after bronze took it. NULL for files.
SENT_AT = "CASE WHEN timestamp > _ingestion_timestamp THEN _ingestion_timestamp ELSE timestamp END"
#: When an event arrived: by the clock of the broker where the topic notes that (LogAppendTime, type 1 of Kafka), by the
#: clock of the stream that wrote bronze otherwise. The time that a producer notes (CreateTime) may be anything.
ARRIVED_AT = f"CASE WHEN _timestamp_type = 1 THEN {SENT_AT} ELSE _ingestion_timestamp END"


def bronze_columns() -> StructType:
    """Return the technical columns of a bronze table: those of every bronze table, and whose clock its times are of."""
    return parse_schema(f"{technical.BRONZE}, _timestamp_type INT")


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
        F.expr(ARRIVED_AT).alias("_arrived_at"),
        F.expr(SENT_AT).alias("_sent_at"),
        "_source_file",
        "_source_system",
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
        *("_raw", "_corrupt_record", "_source_file", "_source_system", "_ingestion_timestamp", "_batch_id"),
        *(*POSITION, *_LABELS),
    )


def event_keys(contract: Contract) -> dict[str, str]:
    """Return the key of an event that each received column is read from, by the column's name."""
    sources = [(source, column) for column in contract.columns if (source := cast_source(column))]
    return {source: column.received_as or source for source, column in reversed(sources)}


def time_rules(lakehouse: Lakehouse, contract: Contract, node: StreamSilver) -> tuple[Rule, ...]:
    """Return the rules that keep events away from the watermark which would harm or be dropped by it.

    One event from the future would move the watermark so far that all others are dropped as late; one that was sent
    with a greater age than the watermark allows would be dropped, and one without a time is in no window. They go to
    the quarantine instead. What the watermark drops nevertheless, since newer events were there before, is found by
    `late_events`.
    """
    name = node.watermark.column
    column, minutes = f"`{name}`", lakehouse.configuration.streaming.future_minutes
    number, unit = node.watermark.delay.split()
    predicates = (
        f"{column} <= _arrived_at + INTERVAL '{minutes}' MINUTE",
        f"{column} >= _sent_at - INTERVAL '{number}' {unit.removesuffix('s').upper()}",
        f"{column} IS NOT NULL",
    )
    # A column that its contract requires has the last of these rules from there.
    named = zip(names_of_time_rules(contract, node), predicates, strict=False)
    return tuple(Rule(rule, name, "expression", "error", text, str(contract.path)) for rule, text in named)


def names_of_time_rules(contract: Contract, node: StreamSilver) -> tuple[str, ...]:
    """Return the names of the rules about the time of an event."""
    name = node.watermark.column
    is_required = contract.column(name).required or name in contract.key
    names = (f"{name}_not_future", late_rule(node), f"{name}_not_null")
    return names[:2] if is_required else names


def late_rule(node: StreamSilver) -> str:
    """Return the name of the reason for which an event is put aside that came too late."""
    return f"{node.watermark.column}_not_late"


def late_events(labelled: DataFrame, stored: DataFrame, contract: Contract, node: StreamSilver) -> DataFrame:
    """Return the events that the watermark has dropped, with the reason, as the quarantine stores them.

    They are those valid ones of labelled events whose key no row of the silver table has; every one of `labelled` must
    have been offered to the table. A second event of a stored key is a repetition, whether it came late or not.
    """
    kept = stored.select(*contract.key)
    dropped = labelled.where("_is_valid").join(kept, list(contract.key), "left_anti")
    reason = {"_validation_errors": F.array(F.lit(late_rule(node))), "_is_valid": F.lit(False)}
    return rejected_events(dropped.withColumns(reason))


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
