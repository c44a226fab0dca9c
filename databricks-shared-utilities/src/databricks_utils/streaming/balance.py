"""Proof that nothing was lost and nothing doubled: broker against bronze, bronze computed again against silver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.medallion import Lakehouse, quarantine_of
from databricks_utils.streaming.broker import source_options
from databricks_utils.streaming.definition import StreamBronze, StreamPipeline, StreamSilver
from databricks_utils.streaming.events import prepare_events
from databricks_utils.streaming.source import secrets_of_place

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Options of a stream that a single look does not know.
STREAM_ONLY = ("maxOffsetsPerTrigger", "startingOffsets")


@dataclass(frozen=True)
class Balance:
    """Both sides of one silver table.

    Args:
        table: `silver.name`.
        missing: Events that the broker still has and bronze lacks; 0 without a broker.
        received: Events in bronze.
        repeated: Events in bronze whose topic, partition and offset another one has.
        valid_keys: Different keys among the valid events of bronze.
        stored: Rows of the silver table.
        stored_keys: Different keys among them.
        invalid: Events of bronze that break a rule.
        quarantined: Rows of the quarantine.
    """

    table: str
    missing: int
    received: int
    repeated: int
    valid_keys: int
    stored: int
    stored_keys: int
    invalid: int
    quarantined: int

    @property
    def lost(self) -> int:
        """Events that no table has."""
        return self.missing + max(0, self.valid_keys - self.stored_keys) + max(0, self.invalid - self.quarantined)

    @property
    def doubled(self) -> int:
        """Rows that a table has once too often."""
        return self.repeated + self.stored - self.stored_keys + max(0, self.quarantined - self.invalid)


def balances(lakehouse: Lakehouse, pipeline: StreamPipeline, tables: Sequence[str] = ()) -> tuple[Balance, ...]:
    """Compare every silver table, or those of `tables`, with what its bronze table holds. No stream may be running."""
    silver = [node for node in pipeline.selected(tables) if isinstance(node, StreamSilver)]
    return tuple(_balance(lakehouse, pipeline, node) for node in silver)


def _balance(lakehouse: Lakehouse, pipeline: StreamPipeline, node: StreamSilver) -> Balance:
    contract, bronze, source = lakehouse.contract(node.table), lakehouse.read(node.reads), pipeline.node(node.reads)
    key = F.struct(*[F.col(name) for name in contract.key])
    labelled = prepare_events(bronze, contract, lakehouse, node)
    expected = labelled.agg(
        F.count(F.lit(1)).alias("received"),
        F.countDistinct(F.when(F.col("_is_valid"), key)).alias("valid_keys"),
        F.count_if(~F.col("_is_valid")).alias("invalid"),
    ).collect()[0]
    positions = bronze.where("offset IS NOT NULL").groupBy("topic", "partition", "offset").count()
    repeated = positions.agg(F.coalesce(F.sum(F.col("count") - 1), F.lit(0))).collect()[0][0]
    stored = lakehouse.read(node.table).agg(F.count(F.lit(1)), F.countDistinct(key)).collect()[0]
    return Balance(
        table=node.table,
        missing=_missing(lakehouse, source, bronze) if isinstance(source, StreamBronze) else 0,
        received=expected.received,
        repeated=int(repeated),
        valid_keys=expected.valid_keys,
        stored=stored[0],
        stored_keys=stored[1],
        invalid=expected.invalid,
        quarantined=lakehouse.read(quarantine_of(node.table)).count(),
    )


def _missing(lakehouse: Lakehouse, node: StreamBronze, bronze: DataFrame) -> int:
    """Count the records of the broker that bronze lacks."""
    streaming = lakehouse.configuration.streaming
    if streaming.source not in ("kafka", "event_hubs"):
        return 0
    options = source_options(streaming, node.topic, secrets_of_place())
    options = {key: value for key, value in options.items() if key not in STREAM_ONLY}
    held = lakehouse.spark.read.format("kafka").options(**options).option("startingOffsets", "earliest").load()
    kept = bronze.where(F.col("topic") == node.topic).select("partition", "offset")
    first = kept.groupBy("partition").agg(F.min("offset").alias("first"))
    records = held.select("partition", "offset").join(first, "partition", "left")
    # A stream that began at the newest events owes nothing before its first one.
    owed = records.where("offset >= first" if streaming.starting_offsets == "latest" else "true")
    return owed.join(kept, ["partition", "offset"], "left_anti").count()
