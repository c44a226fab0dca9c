"""Proof that nothing was lost and nothing doubled: broker against bronze, bronze computed again against silver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.config.secrets import secrets_of_place
from databricks_utils.pipeline import Lakehouse, quarantine_of
from databricks_utils.streaming.broker import BROKERS, source_options
from databricks_utils.streaming.definition import StreamBronze, StreamPipeline, StreamSilver
from databricks_utils.streaming.events import late_events, prepare_events, rejected_events
from databricks_utils.streaming.source import bronze_rows, record_content

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Options of a stream that a single look does not know.
STREAM_ONLY = ("maxOffsetsPerTrigger", "startingOffsets")
#: Where and when bronze took an event. The offset alone may come again, in a topic that was created a second time.
PLACE = ("_topic", "_partition", "_offset", "_ingestion_timestamp")


@dataclass(frozen=True)
class Balance:
    """Both sides of one silver table.

    Args:
        table: `silver.name`.
        missing: Events that the broker still has and bronze lacks; 0 without a broker.
        received: Events in bronze.
        repeated: Events in bronze that another one equals in position, time and content.
        valid_keys: Different keys among the valid events of bronze.
        stored: Rows of the silver table.
        stored_keys: Different keys among them.
        invalid: Events of bronze that break a rule.
        late: Valid events of bronze whose key no row of the silver table has: they came behind the watermark.
        quarantined: Rows of the quarantine.
        unaccounted: Invalid and late events that the quarantine lacks.
        surplus: Rows of the quarantine that it has more often than bronze, or that the silver table has as well.
    """

    table: str
    missing: int
    received: int
    repeated: int
    valid_keys: int
    stored: int
    stored_keys: int
    invalid: int
    late: int
    quarantined: int
    unaccounted: int
    surplus: int

    @property
    def lost(self) -> int:
        """Events that no table has."""
        return self.missing + self.unaccounted

    @property
    def doubled(self) -> int:
        """Rows that a table has once too often."""
        return self.repeated + self.stored - self.stored_keys + self.surplus


def balances(lakehouse: Lakehouse, pipeline: StreamPipeline, tables: Sequence[str] = ()) -> tuple[Balance, ...]:
    """Compare every silver table, or those of `tables`, with what its bronze table holds. No stream may be running."""
    silver = [node for node in pipeline.selected(tables) if isinstance(node, StreamSilver)]
    return tuple(_balance(lakehouse, pipeline, node) for node in silver)


def _balance(lakehouse: Lakehouse, pipeline: StreamPipeline, node: StreamSilver) -> Balance:
    contract, source = lakehouse.contract(node.table), pipeline.node(node.reads)
    bronze, silver = bronze_rows(lakehouse.read(node.reads)), lakehouse.read(node.table)
    quarantine = lakehouse.read(quarantine_of(node.table))
    key = F.struct(*[F.col(name) for name in contract.key])
    labelled = prepare_events(bronze, contract, lakehouse, node)
    received = labelled.agg(
        F.count(F.lit(1)).alias("rows"),
        F.countDistinct(F.when(F.col("_is_valid"), key)).alias("valid_keys"),
        F.count_if(~F.col("_is_valid")).alias("invalid"),
    ).collect()[0]
    stored = silver.agg(F.count(F.lit(1)), F.countDistinct(key)).collect()[0]
    late = late_events(labelled, silver, contract, node)
    expected = _placed(rejected_events(labelled).unionByName(late))
    everything = _placed(rejected_events(labelled.withColumn("_is_valid", F.lit(False))))
    return Balance(
        table=node.table,
        missing=_missing(lakehouse, source, bronze) if isinstance(source, StreamBronze) else 0,
        received=received.rows,
        repeated=_repeated(bronze),
        valid_keys=received.valid_keys,
        stored=stored[0],
        stored_keys=stored[1],
        invalid=received.invalid,
        late=late.count(),
        quarantined=quarantine.count(),
        # An earlier release may have accepted what breaks a rule about time now.
        unaccounted=expected.exceptAll(_placed(quarantine)).join(silver, list(PLACE), "left_anti").count(),
        surplus=_surplus(quarantine, everything, silver),
    )


def _placed(rows: DataFrame) -> DataFrame:
    """Return rows of a quarantine as what tells them apart; of files, where nothing has a position, also the text."""
    return rows.select(*PLACE, "_source_file", F.xxhash64("record").alias("content"))


def _repeated(bronze: DataFrame) -> int:
    content = record_content().alias("content")
    placed = bronze.where("offset IS NOT NULL").groupBy("topic", "partition", "offset", content).count()
    return int(placed.agg(F.coalesce(F.sum(F.col("count") - 1), F.lit(0))).collect()[0][0])


def _surplus(quarantine: DataFrame, received: DataFrame, silver: DataFrame) -> int:
    """Count rows of the quarantine that it should not have, those aside whose bronze rows retention has deleted."""
    oldest = received.agg(F.min("_ingestion_timestamp").alias("oldest"))
    due = _placed(quarantine).join(oldest, F.col("_ingestion_timestamp") >= F.col("oldest")).drop("oldest")
    both = due.join(silver, list(PLACE), "left_semi").count()
    return due.exceptAll(received).count() + both


def _missing(lakehouse: Lakehouse, node: StreamBronze, bronze: DataFrame) -> int:
    """Count the records of the broker that bronze lacks: of the same offset and another content it has not this one."""
    streaming = lakehouse.configuration.streaming
    if streaming.source not in BROKERS:
        return 0
    options = source_options(streaming, node.topic, secrets_of_place())
    options = {key: value for key, value in options.items() if key not in STREAM_ONLY}
    held = lakehouse.spark.read.format("kafka").options(**options).option("startingOffsets", "earliest").load()
    content = record_content().alias("content")
    kept = bronze.where(F.col("topic") == node.topic).select("partition", "offset", content)
    first = kept.groupBy("partition").agg(F.min("offset").alias("first"))
    records = held.select("partition", "offset", content).join(first, "partition", "left")
    # A stream that began at the newest events owes nothing before its first one.
    owed = records.where("offset >= first" if streaming.starting_offsets == "latest" else "true")
    return owed.join(kept, ["partition", "offset", "content"], "left_anti").count()
