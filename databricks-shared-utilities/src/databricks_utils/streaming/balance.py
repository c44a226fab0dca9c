"""Proof that nothing was lost and nothing doubled: bronze computed again, at rest, against what the streams wrote."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import functions as F

from databricks_utils.medallion import Lakehouse, quarantine_of
from databricks_utils.streaming.definition import StreamBronze, StreamPipeline, StreamSilver
from databricks_utils.streaming.events import prepare_events


@dataclass(frozen=True)
class Balance:
    """Both sides of one silver table.

    Args:
        table: `silver.name`.
        received: Events in bronze.
        repeated: Events in bronze whose topic, partition and offset another one has.
        valid_keys: Different keys among the valid events of bronze.
        stored: Rows of the silver table.
        stored_keys: Different keys among them.
        invalid: Events of bronze that break a rule.
        quarantined: Rows of the quarantine.
    """

    table: str
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
        return max(0, self.valid_keys - self.stored_keys) + max(0, self.invalid - self.quarantined)

    @property
    def doubled(self) -> int:
        """Rows that a table has once too often."""
        return self.repeated + self.stored - self.stored_keys + max(0, self.quarantined - self.invalid)


def balances(lakehouse: Lakehouse, pipeline: StreamPipeline) -> tuple[Balance, ...]:
    """Compare every silver table that is read from a bronze table with what bronze holds. No stream may be running."""
    silver = [node for node in pipeline if isinstance(node, StreamSilver)]
    return tuple(_balance(lakehouse, pipeline, node) for node in silver)


def _balance(lakehouse: Lakehouse, pipeline: StreamPipeline, node: StreamSilver) -> Balance:
    contract, bronze = lakehouse.contract(node.table), lakehouse.read(node.reads)
    assert isinstance(pipeline.node(node.reads), StreamBronze)
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
        received=expected.received,
        repeated=int(repeated),
        valid_keys=expected.valid_keys,
        stored=stored[0],
        stored_keys=stored[1],
        invalid=expected.invalid,
        quarantined=lakehouse.read(quarantine_of(node.table)).count(),
    )
