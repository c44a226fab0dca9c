"""Bronze: rows as received, each file exactly once, whatever the file holds."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.delta import append
from databricks_utils.errors import InvalidInput
from databricks_utils.medallion import technical
from databricks_utils.medallion.checkpoint import ANY_AGE, generation_of
from databricks_utils.medallion.damage import DamagedFile, damaged_files, from_note, noted, rows_of_damaged
from databricks_utils.medallion.file_readers import read_files
from databricks_utils.medallion.lakehouse import Lakehouse
from databricks_utils.medallion.pipeline import Bronze
from databricks_utils.medallion.trail import entered

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.streaming.readwriter import DataStreamReader

#: What a reader of UTF-8 puts in the place of bytes that are none (U+FFFD).
REPLACED = "\ufffd"
#: What programs add to a file's name while they write it. Spark itself passes over names that begin with _ or a dot.
UNFINISHED = ("tmp", "temp", "part", "partial", "filepart", "crdownload")
DISCOVERED = "path STRING, modificationTime TIMESTAMP, length BIGINT, content BINARY"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Ingested:
    """What a run of a bronze table took in.

    Args:
        rows: Rows appended, one for each damaged file among them.
        damaged: Files set aside.
    """

    rows: int
    damaged: tuple[DamagedFile, ...] = ()


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
    lakehouse.ensure_table(contract, technical.columns("bronze"))
    identifier = lakehouse.identifier(node.table)
    before = lakehouse.version(node.table)
    folder = _landing_folder(lakehouse, node)
    checkpoint = checkpoint_of(lakehouse, node)
    entered("append the rows of new files", lambda: _batch_of(checkpoint, folder))
    columns = tuple(column.name for column in contract.columns)
    system = node.source.system
    query = (
        _stream(lakehouse, node, folder)
        .writeStream.option("checkpointLocation", checkpoint)
        .trigger(availableNow=True)
        .foreachBatch(
            _BatchWriter(
                identifier,
                columns,
                node,
                system,
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
    damaged = tuple(file for commit in reversed(commits) for file in from_note(commit.note))
    return Ingested(sum(commit.rows_written for commit in commits), damaged)


class _BatchWriter:
    """Writes one micro-batch. It holds only plain values, because Connect sends it to the server."""

    def __init__(
        self,
        identifier: str,
        columns: tuple[str, ...],
        node: Bronze,
        system: str,
        generation: str,
        discovered: bool,
        folder: Path | None,
    ) -> None:
        self.identifier = identifier
        self.columns = columns
        self.source = node.source
        self.system = system
        self.application = f"{node.table}:{generation}"
        self.discovered = discovered
        self.folder = folder

    def __call__(self, batch: DataFrame, number: int) -> None:
        spark = batch.sparkSession
        if not self.discovered:
            self._append(spark, batch, number)
            return
        paths = sorted(row.path for row in batch.select("path").collect())
        try:
            self._append(spark, self._read(spark, paths), number)
        except Exception:
            # Files are examined only now: on the way without accidents each is read once.
            damaged = damaged_files(paths)
            if not damaged:
                raise
            self._append(spark, self._without(spark, paths, damaged), number, noted(damaged))

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

    def _read(self, spark: SparkSession, paths: Sequence[str]) -> DataFrame | None:
        return read_files(spark, paths, self.source.format, self.columns, delimiter=self.source.delimiter)

    def _without(self, spark: SparkSession, paths: Sequence[str], damaged: Sequence[DamagedFile]) -> DataFrame:
        aside = rows_of_damaged(spark, damaged, self.columns)
        left = self._read(spark, sorted({*paths} - {file.path for file in damaged}))
        return aside if left is None else left.unionByName(aside)

    def _stamped(self, rows: DataFrame, number: int, now: int, moment: int) -> DataFrame:
        # What is no UTF-8 arrives with marks in the place of letters: the row is kept, and not taken for good.
        received = (*self.columns, "_rescued_data")
        garbled = reduce(or_, [F.coalesce(F.col(name).contains(REPLACED), F.lit(False)) for name in received])
        line = F.to_json(F.struct(*[F.col(name) for name in self.columns]))
        stamps = {
            "_corrupt_record": F.coalesce("_corrupt_record", F.when(garbled, line)),
            "_ingestion_timestamp": F.expr(f"timestamp_micros({moment})"),
            # By the clock, since rows are kept for so many days; in UTC, whatever the session's time zone.
            "_ingestion_date": F.expr(f"DATE'{_EPOCH + timedelta(microseconds=now):%Y-%m-%d}'"),
            "_source_system": F.lit(self.system),
            "_batch_id": F.lit(f"{self.application.rpartition(':')[2][:8]}-{number:06d}"),
        }
        return rows.withColumns(stamps).select(*self.columns, *technical.names("bronze"))


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
    return _auto_loader(reader, lakehouse, node, folder, most)


def _auto_loader(reader: DataStreamReader, lakehouse: Lakehouse, node: Bronze, folder: str, most: int) -> DataFrame:
    columns = ", ".join(f"`{column.name}` STRING" for column in lakehouse.contract(node.table).columns)
    stream = reader.format("cloudFiles").schema(f"{columns}, _corrupt_record STRING")
    for key, value in auto_loader_options(node, most).items():
        stream = stream.option(key, value)
    return stream.load(folder).withColumn("_source_file", F.col("_metadata.file_path")).where(finished("_source_file"))


def finished(column: str) -> Column:
    """Return the condition that a file's name is none that it bears only while it is written.

    A file is read once, as it is then. Under its final name it is another file, which a later run reads whole.

    Args:
        column: The column with the file's path.
    """
    return ~F.lower(column).rlike(rf"\.({'|'.join(UNFINISHED)})$")


def auto_loader_options(node: Bronze, max_files_per_batch: int) -> dict[str, str]:
    """Return the options with which Auto Loader gives the same columns as the local reader.

    Source: Databricks documentation, "Auto Loader options".
    """
    options = {
        "cloudFiles.format": node.source.format,
        "cloudFiles.maxFilesPerTrigger": str(max_files_per_batch),
        "pathGlobFilter": node.source.glob,
        "rescuedDataColumn": "_rescued_data",
        "columnNameOfCorruptRecord": "_corrupt_record",
        "mode": "PERMISSIVE",
    }
    if node.source.format == "csv":
        options |= {"header": "true", "sep": node.source.delimiter, "quote": '"', "escape": '"'}
    return options


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
