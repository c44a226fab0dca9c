"""Files that cannot be taken in: set aside as one row each, which says why, and noted with the batch.

A file is taken in as a whole or not at all. The row of one that is not goes through bronze into the quarantine of
silver, with the file's name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.medallion.delivered_file import local_path
from databricks_utils.pipeline.failure import cause_of, kind_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Begins `_corrupt_record` of the row that stands for a whole file.
MARK = "the whole file is damaged: "
#: Kinds of failure that say nothing about the file that was read.
OF_THE_PLACE = ("disk-full", "no-permission", "memory", "conflict", "connection")


@dataclass(frozen=True)
class DamagedFile:
    """A file that was set aside.

    Args:
        path: The file, as Spark names it.
        reason: What is wrong with it.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{name_of(self.path)} was set aside: {self.reason}. Have it delivered again under a new name"


@dataclass(frozen=True)
class RemarkedFile:
    """A file that was taken in, and that people should know about.

    Args:
        path: The file, as Spark names it.
        remark: What is odd about it.
    """

    path: str
    remark: str

    def __str__(self) -> str:
        return f"{name_of(self.path)} is not as expected: {self.remark}"


@dataclass(frozen=True)
class BatchNote:
    """What the commit of a batch says about its files."""

    damaged: tuple[DamagedFile, ...] = ()
    remarked: tuple[RemarkedFile, ...] = ()

    def text(self) -> str | None:
        """Return the note as it is kept with the commit; None where there is nothing to say."""
        told = {name: files for name, files in asdict(self).items() if files}
        return json.dumps(told) if told else None


def read_note(note: str | None) -> BatchNote:
    """Return what the note of a commit says about files."""
    if not note or not ('"damaged"' in note or '"remarked"' in note):
        return BatchNote()
    told = json.loads(note)
    damaged = tuple(DamagedFile(**file) for file in told.get("damaged", ()))
    return BatchNote(damaged, tuple(RemarkedFile(**file) for file in told.get("remarked", ())))


def name_of(path: str) -> str:
    """Return the name of a file that Spark names."""
    return (local_path(path) or Path(path)).name


def rows_of_damaged(spark: SparkSession, files: Sequence[DamagedFile], columns: Sequence[str]) -> DataFrame:
    """Return a row for each file, in the shape of the rows that a reader gives."""
    told = [(f"{MARK}{file.reason}", (local_path(file.path) or Path(file.path)).as_uri()) for file in files]
    rows = spark.createDataFrame(told, "_corrupt_record STRING, _source_file STRING")
    missing = F.lit(None).cast("string")
    empty = [missing.alias(name) for name in (*columns, "_rescued_data")]
    return rows.select(*empty, "_corrupt_record", "_source_file")


def damaged_among(paths: Sequence[str], read: Callable[[Sequence[str]], DataFrame | None]) -> tuple[DamagedFile, ...]:
    """Return those of the files that Spark fails to read, found by reading halves of them.

    Args:
        paths: The files, as Spark names them.
        read: Gives the rows of some of them.

    Raises:
        Exception: What failed has to do with the place and not with a file, such as a full disk.
    """
    try:
        rows = read(paths)
        if rows is not None:
            rows.write.format("noop").mode("overwrite").save()
    except Exception as error:
        if kind_of(error).name in OF_THE_PLACE:
            raise
        if len(paths) == 1:
            return (DamagedFile(paths[0], f"Spark cannot read it ({cause_of(error)})"),)
        half = len(paths) // 2
        return (*damaged_among(paths[:half], read), *damaged_among(paths[half:], read))
    return ()
