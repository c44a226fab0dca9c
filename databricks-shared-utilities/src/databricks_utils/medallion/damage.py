"""Files that cannot be read to their end: found when a batch fails, named, and set aside as one row each.

A file is read whole or not at all: Spark gives an error in the middle of a cut-off archive, and the commit of the batch
does not happen. Then the batch's files are examined here, and what is left of the batch is read without the damaged
ones. The row of a damaged file goes through bronze into the quarantine of silver, with the file's name.
"""

from __future__ import annotations

import bz2
import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.medallion.file_readers import local_path

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Begins `_corrupt_record` of the row that stands for a whole file.
MARK = "the whole file is damaged: "
CHUNK_BYTES = 1 << 20


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
        name = (local_path(self.path) or Path(self.path)).name
        return f"{name} was set aside: {self.reason}. Have it delivered again under a new name"


def damaged_files(paths: Sequence[str]) -> tuple[DamagedFile, ...]:
    """Return those of the files that cannot be read to their end.

    Files that this process may not open are not damaged, and files outside of its file system are not examined.
    """
    examined = ((path, _reason(local)) for path in paths if (local := local_path(path)) is not None)
    return tuple(DamagedFile(path, reason) for path, reason in examined if reason is not None)


def rows_of_damaged(spark: SparkSession, files: Sequence[DamagedFile], columns: Sequence[str]) -> DataFrame:
    """Return a row for each file, in the shape of the rows that a reader gives."""
    told = [(f"{MARK}{file.reason}", (local_path(file.path) or Path(file.path)).as_uri()) for file in files]
    rows = spark.createDataFrame(told, "_corrupt_record STRING, _source_file STRING")
    missing = F.lit(None).cast("string")
    empty = [missing.alias(name) for name in (*columns, "_rescued_data")]
    return rows.select(*empty, "_corrupt_record", "_source_file")


def noted(files: Sequence[DamagedFile]) -> str | None:
    """Return damaged files as the note of a commit; None where there are none."""
    return json.dumps({"damaged": [asdict(file) for file in files]}) if files else None


def from_note(note: str | None) -> tuple[DamagedFile, ...]:
    """Return the damaged files that the note of a commit names."""
    if not note or '"damaged"' not in note:
        return ()
    return tuple(DamagedFile(**file) for file in json.loads(note)["damaged"])


def _reason(path: Path) -> str | None:
    try:
        with _opened(path) as file:
            start = file.read(CHUNK_BYTES)
            while file.read(CHUNK_BYTES):
                pass
    except FileNotFoundError:
        return "it was gone before it could be read"
    except EOFError:
        return "its compressed content ends in the middle"
    except (gzip.BadGzipFile, zlib.error) as error:
        return f"its compressed content is broken ({error})"
    except OSError as error:
        # bz2 has no error of its own; an error of the system has a number.
        return None if error.errno else f"its compressed content is broken ({error})"
    except ValueError as error:
        return f"its compressed content is broken ({error})"
    return "it is no UTF-8 text, perhaps UTF-16 or no text at all" if b"\x00" in start else None


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")  # type: ignore[return-value]  # it is one in all that is used here
    if path.suffix == ".bz2":
        return bz2.open(path, "rb")
    return path.open("rb")
