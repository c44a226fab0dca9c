"""Writing micro-batches so that a repeated one changes nothing. Writers hold plain values: Connect sends them away."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from databricks_utils.delta import append, merge_by_key, notes
from databricks_utils.medallion.bronze import moment_of_batch
from databricks_utils.pipeline.kept import kept
from databricks_utils.streaming.delivery import Delivery

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Columns of a change feed besides the table's.
CHANGE = ("_change_type", "_commit_version", "_commit_timestamp")
#: Number of the last batch that this process has written, by application.
_WRITTEN: dict[str, int] = {}


@dataclass(frozen=True)
class AppendOnce:
    """Appends a batch under its number, once.

    Delta Lake skips a number it has seen under the same application, and computes the whole state of the table to find
    that out. A process that writes the table alone need not ask for a number beyond the last it wrote itself. It notes
    the number in the commit, for the process after it, and asks both the notes and Delta Lake for every other number.

    Args:
        identifier: Quoted table.
        application: From `application_id`.
        folder: The table's folder, where this process can read it.
        alone: Batches are written by this process, and a lock keeps other processes from the table meanwhile.
    """

    identifier: str
    application: str
    folder: Path | None
    alone: bool = False

    def __call__(self, batch: DataFrame, number: int) -> None:
        """Write one batch; an empty one makes no commit."""
        with kept(batch) as rows:
            if not rows.isEmpty():
                self.add(rows, number)

    def add(self, rows: DataFrame, number: int) -> None:
        """Append the rows of one batch, reading them once, whether there are any or not."""
        # Taken out first: whether a write that fails has come to its commit is not known.
        newest = _WRITTEN.pop(self.application, None)
        is_new = self.alone and newest is not None and number > newest
        if not is_new and self._is_noted(number):
            return
        note = None if self.folder is None else json.dumps({"txnAppId": self.application, "txnVersion": number})
        commit = append(
            rows.sparkSession,
            self.identifier,
            rows,
            transaction=None if is_new else (self.application, number),
            note=note,
            folder=self.folder,
        )
        # Another one is the newest where Delta Lake has skipped the number.
        if self.alone and commit.note == note:
            _WRITTEN[self.application] = number

    def _is_noted(self, number: int) -> bool:
        if self.folder is None:
            return False
        newest = (found for note in notes(self.folder) if (found := _noted_number(note, self.application)) is not None)
        return next(newest, -1) >= number


def _noted_number(note: str, application: str) -> int | None:
    """Return the number that a note of this application tells; anybody may note anything."""
    try:
        found = json.loads(note)
        return int(found["txnVersion"]) if found["txnAppId"] == application else None
    except (ValueError, TypeError, KeyError):
        return None


@dataclass(frozen=True)
class BronzeOnce:
    """Appends received events, stamped with when and by what they came.

    Args:
        append: Writes the rows.
        system: Name of the source.
        columns: Columns of the bronze table, in order.
    """

    append: AppendOnce
    system: str
    columns: Sequence[str]

    def __call__(self, batch: DataFrame, number: int) -> None:
        """Write one batch.

        Nothing is kept: the rows go from the source to the table in one pass. Nor is the batch asked whether it is
        empty, which would begin to read it and count those rows as read twice. A source says that it has something
        new before there is a batch, so that one without rows, as of an empty file, is rare and its commit cheap.
        """
        generation = self.append.application.rpartition(":")[2]
        stamped = with_stamps(batch, self.system, f"{generation[:8]}-{number:06d}")
        self.append.add(stamped.select(*self.columns), number)


def with_stamps(received: DataFrame, system: str, batch_id: str | None) -> DataFrame:
    """Return received events with the technical columns of bronze that tell when and by what they came.

    Args:
        received: Events.
        system: What they were received from.
        batch_id: Names the batch; None where an engine does not say its number.
    """
    now, nothing = F.current_timestamp(), F.lit(None).cast("string")
    return received.withColumns(
        {
            "_ingestion_timestamp": now,
            "_ingestion_date": F.to_date(now),
            "_source_system": F.lit(system),
            "_batch_id": moment_of_batch() if batch_id is None else F.lit(batch_id),
            "_rescued_data": nothing,
            "_corrupt_record": nothing,
        }
    )


@dataclass(frozen=True)
class SetByKey:
    """Merges the new values of changed rows: values are set, never added to, so a repetition sets the same ones.

    Args:
        identifier: Quoted table.
        key: Columns of the key.
        columns: Columns of the contract.
        folder: The table's folder, where this process can read it.
    """

    identifier: str
    key: Sequence[str]
    columns: Sequence[str]
    folder: Path | None

    def __call__(self, batch: DataFrame, number: int) -> None:
        """Write one batch."""
        stamped = batch.select(*self.columns, F.current_timestamp().alias("_processing_timestamp"))
        # MERGE reads its source twice; without keeping it the state would be computed twice too.
        with kept(stamped) as rows:
            merge_by_key(
                batch.sparkSession,
                self.identifier,
                rows,
                self.key,
                columns=[*self.columns, "_processing_timestamp"],
                compared=[name for name in self.columns if name not in self.key],
                folder=self.folder,
            )


@dataclass(frozen=True)
class AlertOnce:
    """Finds alerts in the changed rows of a table, tells about the new ones and keeps them.

    Telling comes before keeping: a crash between the two tells an alert again, under the same id, and loses none. An
    alert that could not be told is not kept either, and the error ends the query before the batch is noted as done.

    Args:
        identifier: Quoted table of the alerts.
        key: Columns of the alerts' key.
        columns: Columns of the alerts' contract.
        folder: The table's folder, where this process can read it.
        source_key: Key of the table read; of several changes of a row the last counts.
        transform: From the changed rows, the lookups and the parameters to alerts.
        lookups: Quoted tables.
        parameters: For the transformation.
        delivery: Who is told.
    """

    identifier: str
    key: Sequence[str]
    columns: Sequence[str]
    folder: Path | None
    source_key: Sequence[str]
    transform: Callable[..., DataFrame]
    lookups: Sequence[str] = ()
    parameters: Mapping[str, object] = field(default_factory=dict)
    delivery: Delivery = field(default_factory=Delivery)

    def __call__(self, batch: DataFrame, number: int) -> None:
        """Write one batch."""
        spark = batch.sparkSession
        last = Window.partitionBy(*self.source_key).orderBy(F.col("_commit_version").desc())
        changed = batch.where("_change_type IN ('insert', 'update_postimage')").withColumn(
            "_rank", F.row_number().over(last)
        )
        # The transformation may look at the rows several times, and the source is to be read once.
        with kept(changed.where("_rank = 1").drop("_rank", *CHANGE)) as rows, kept(self._new(rows)) as alerts:
            if not alerts.isEmpty():
                self.delivery.tell(alerts.select(*self.columns), self.key)
                columns = [*self.columns, "_processing_timestamp"]
                merge_by_key(spark, self.identifier, alerts, self.key, columns=columns, compared=[], folder=self.folder)

    def _new(self, rows: DataFrame) -> DataFrame:
        spark = rows.sparkSession
        found = self.transform(rows, *[spark.table(name) for name in self.lookups], **self.parameters)
        same = reduce(lambda left, right: left & right, [F.col(f"a.{name}") == F.col(f"k.{name}") for name in self.key])
        new = found.alias("a").join(spark.table(self.identifier).alias("k"), same, "left_anti")
        return new.select(*self.columns, F.current_timestamp().alias("_processing_timestamp"))
