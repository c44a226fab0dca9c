"""Bronze: rows as received, each file exactly once, whatever the file holds."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.delta import append
from databricks_utils.errors import InvalidInput
from databricks_utils.medallion.auto_loader import auto_loader_rows, finished
from databricks_utils.medallion.damage import (
    BatchNote,
    DamagedFile,
    RemarkedFile,
    damaged_among,
    read_note,
    rows_of_damaged,
)
from databricks_utils.medallion.delivered_file import DeliveredFile, examined, unseen_names
from databricks_utils.medallion.file_readers import read_files, with_open_quotes
from databricks_utils.medallion.json_text import garbled
from databricks_utils.medallion.pipeline import Bronze
from databricks_utils.pipeline import technical
from databricks_utils.pipeline.checkpoint import ANY_AGE, fills_another, generation_of
from databricks_utils.pipeline.lakehouse import Lakehouse
from databricks_utils.pipeline.trail import entered

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_LOG = logging.getLogger(__name__)
#: Files that are looked at side by side, which pays where they are compressed.
AT_ONCE = 4
DISCOVERED = "path STRING, modificationTime TIMESTAMP, length BIGINT, content BINARY"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Ingested:
    """What a run of a bronze table took in.

    Args:
        rows: Rows appended, one for each damaged file among them.
        damaged: Files set aside.
        remarked: Files taken in that people should know about.
    """

    rows: int
    damaged: tuple[DamagedFile, ...] = ()
    remarked: tuple[RemarkedFile, ...] = ()


def ingest(lakehouse: Lakehouse, node: Bronze) -> Ingested:
    """Append the rows of all files that arrived since the last run.

    The stream's checkpoint knows the files; the transaction number in the Delta log makes a repeated batch write
    nothing, so a crash at any moment neither loses nor doubles a row.

    Args:
        lakehouse: The open lakehouse.
        node: The table and its source.
    """
    contract = lakehouse.contract(node.table)
    entered("create the table")
    created = lakehouse.ensure_table(contract, technical.columns("bronze"))
    identifier = lakehouse.identifier(node.table)
    before = lakehouse.version(node.table)
    folder = _landing_folder(lakehouse, node)
    checkpoint = checkpoint_of(lakehouse, node)
    _begin_anew(lakehouse, node, checkpoint, created)
    entered("append the rows of new files", lambda: _batch_of(checkpoint, folder))
    query = (
        _stream(lakehouse, node, folder)
        .writeStream.option("checkpointLocation", checkpoint)
        .trigger(availableNow=True)
        .foreachBatch(
            _BatchWriter(
                identifier,
                contract.received_names,
                node,
                generation_of(checkpoint),
                _reads_files(lakehouse),
                lakehouse.folder(node.table),
            )
        )
        .queryName(f"{node.table}-{uuid.uuid4().hex[:8]}")
        .start()
    )
    query.awaitTermination()
    commits = lakehouse.commits_since(node.table, before)
    notes = [read_note(commit.note) for commit in reversed(commits)]
    return Ingested(
        sum(commit.rows_written for commit in commits),
        tuple(file for note in notes for file in note.damaged),
        (*(file for note in notes for file in note.remarked), *_unseen(lakehouse, node, folder)),
    )


def _unseen(lakehouse: Lakehouse, node: Bronze, folder: str) -> Iterator[RemarkedFile]:
    """Yield what nobody has read, and nobody will before it has another name; it is told in each run until then."""
    if _reads_files(lakehouse):
        for name in unseen_names(folder, node.source.glob):
            yield RemarkedFile(name, "its name is no UTF-8, so that Spark passes over it: rename it to have it read")


class _BatchWriter:
    """Writes one micro-batch. It holds only plain values, because Connect sends it to the server."""

    def __init__(
        self,
        identifier: str,
        keys: Mapping[str, str],
        node: Bronze,
        generation: str,
        discovered: bool,
        folder: Path | None,
    ) -> None:
        self.identifier = identifier
        self.keys = dict(keys)
        self.source = node.source
        self.application = f"{node.table}:{generation}"
        self.discovered = discovered
        self.folder = folder

    def __call__(self, batch: DataFrame, number: int) -> None:
        spark = batch.sparkSession
        if not self.discovered:
            self._append(spark, batch, number)
            return
        paths = sorted(row.path for row in batch.select("path").collect())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            files = list(pool.map(lambda path: examined(path, self.source, self.keys), paths))
        damaged = [DamagedFile(file.path, file.damage) for file in files if file.damage]
        sound = [file for file in files if not file.damage]
        try:
            self._take(spark, sound, damaged, number)
        except Exception:
            # Only now is each file read alone: on the way without accidents all are read together, once.
            by_path = {file.path: file for file in sound}
            found = damaged_among([*by_path], lambda paths: self._read(spark, [by_path[path] for path in paths]))
            if not found:
                raise
            self._take(spark, _without(sound, found), [*damaged, *found], number)

    def _take(
        self, spark: SparkSession, files: Sequence[DeliveredFile], damaged: Sequence[DamagedFile], number: int
    ) -> None:
        unclosed = with_open_quotes(spark, files, self.source)
        taken, aside = _without(files, unclosed), (*damaged, *unclosed)
        rows = self._read(spark, taken)
        if aside:
            told = rows_of_damaged(spark, aside, tuple(self.keys))
            rows = told if rows is None else rows.unionByName(told)
        remarked = tuple(RemarkedFile(file.path, file.remark) for file in taken if file.remark)
        self._append(spark, rows, number, BatchNote(aside, remarked).text())

    def _append(self, spark: SparkSession, rows: DataFrame | None, number: int, note: str | None = None) -> None:
        if rows is None:
            return
        now = clock()
        append(
            spark,
            self.identifier,
            self._stamped(rows, number, now, _after_all_others(spark, self.identifier, now)),
            transaction=(self.application, number),
            note=note,
            folder=self.folder,
        )

    def _read(self, spark: SparkSession, files: Sequence[DeliveredFile]) -> DataFrame | None:
        return read_files(spark, files, self.source, self.keys)

    def _stamped(self, rows: DataFrame, number: int, now: int, moment: int) -> DataFrame:
        # What is no UTF-8 arrives with marks in the place of letters: the row is kept, and not taken for good.
        line = F.to_json(F.struct(*[F.col(name) for name in self.keys]))
        broken = F.when(garbled((*self.keys, "_rescued_data")), line)
        stamps = {
            "_corrupt_record": F.coalesce("_corrupt_record", broken),
            "_ingestion_timestamp": F.expr(f"timestamp_micros({moment})"),
            # By the clock, since rows are kept for so many days; in UTC, whatever the session's time zone.
            "_ingestion_date": F.expr(f"DATE'{_EPOCH + timedelta(microseconds=now):%Y-%m-%d}'"),
            "_source_system": F.lit(self.source.system),
            "_batch_id": F.lit(f"{self.application.rpartition(':')[2][:8]}-{number:06d}"),
        }
        return rows.withColumns(stamps).select(*self.keys, *technical.names("bronze"))


def _without(files: Sequence[DeliveredFile], damaged: Sequence[DamagedFile]) -> list[DeliveredFile]:
    aside = {file.path for file in damaged}
    return [file for file in files if file.path not in aside]


def moment_of_batch() -> Column:
    """Return the `_batch_id` of rows whose engine numbers no batches: when theirs began, in microseconds since 1970.

    All rows of a micro-batch have one current time, and no two micro-batches of a stream have the same.
    """
    return F.concat(F.lit("at-"), F.expr("unix_micros(current_timestamp())").cast("string"))


def clock() -> int:
    """Return what this machine's clock says, in microseconds since 1970 began in UTC."""
    return time.time_ns() // 1000


def _after_all_others(spark: SparkSession, identifier: str, now: int) -> int:
    """Return the moment that a batch is stamped with: now, or just after the newest row where the clock went back.

    Of versions of a row that nothing else orders, silver keeps the one received last. A run looks at the new ones and a
    full refresh at all, and they would choose different ones if a later batch had the earlier moment.
    """
    # No row in general, and then no file is read: the log knows the greatest moment in each.
    later = spark.table(identifier).where(f"_ingestion_timestamp >= timestamp_micros({now})")
    newest = later.agg(F.expr("unix_micros(max(_ingestion_timestamp)) AS newest")).collect()[0].newest
    return now if newest is None else int(newest) + 1


def _stream(lakehouse: Lakehouse, node: Bronze, folder: str) -> DataFrame:
    most = lakehouse.configuration.ingestion.max_files_per_batch
    reader = lakehouse.spark.readStream
    if _reads_files(lakehouse):
        # The listing alone is streamed; the content column is pruned, so no file is read here.
        return (
            reader.format("binaryFile")
            .schema(DISCOVERED)
            .option("pathGlobFilter", node.source.glob)
            .option("recursiveFileLookup", "true")
            .option("maxFilesPerTrigger", most)
            .option("maxFileAge", ANY_AGE)
            .load(folder)
            .select("path")
            .where(finished("path"))
        )
    return auto_loader_rows(lakehouse.spark, node, lakehouse.contract(node.table).received_names, folder, most)


def _reads_files(lakehouse: Lakehouse) -> bool:
    return lakehouse.configuration.ingestion.reader == "files"


def _landing_folder(lakehouse: Lakehouse, node: Bronze) -> str:
    landing = str(lakehouse.configuration.storage.landing)
    if _reads_files(lakehouse) and not (Path(landing) / node.source.folder).is_dir():
        raise InvalidInput(
            f"The folder with the files of {node.table} does not exist",
            where=f"{landing}/{node.source.folder}",
            hint="Create it, or correct storage.landing in the configuration",
        )
    return f"{landing}/{node.source.folder}"


def _begin_anew(lakehouse: Lakehouse, node: Bronze, checkpoint: str, created: bool) -> None:
    """Put a checkpoint aside that filled a table which is gone, so that all files are read into the one there is."""
    if not fills_another(checkpoint, str(lakehouse.identity(node.table)), is_new=created):
        return
    aside = Path(f"{checkpoint}.{uuid.uuid4().hex[:8]}")
    Path(checkpoint).rename(aside)
    _LOG.warning("%s was dropped and made again: all files are read again (old checkpoint: %s)", node.table, aside)
    fills_another(checkpoint, str(lakehouse.identity(node.table)), is_new=created)


def checkpoint_of(lakehouse: Lakehouse, node: Bronze) -> str:
    """Return the checkpoint folder of a bronze table: one for each environment and table, never under a table."""
    configuration = lakehouse.configuration
    return f"{configuration.storage.checkpoints}/{configuration.environment}/{node.table}"


def _batch_of(checkpoint: str, folder: str) -> str:
    """Return the batch that is being read, or was when it failed."""
    begun = Path(checkpoint) / "offsets"
    try:
        numbers = [int(path.name) for path in begun.iterdir() if path.name.isdigit()]
    except OSError:
        numbers = []
    return f"batch {max(numbers, default=0)} of the files in {folder}"
