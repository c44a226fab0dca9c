"""Files by Databricks' Auto Loader: the columns that the local reader gives, as far as Databricks' own reader allows.

JSON is read as lines of text, and objects are read from them as everywhere. CSV is read by Databricks, which takes line
breaks inside quotes for letters and columns by their names. It looks at no file as a whole: a wrong delimiter shows as
rows without values, and other ends of lines than the first one of a file, or a quote that is never closed, show late or
not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.delta import quoted
from databricks_utils.medallion.file_readers import read_objects
from databricks_utils.medallion.pipeline import Bronze

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

#: What programs add to a file's name while they write it. Spark itself passes over names that begin with _ or a dot.
UNFINISHED = ("tmp", "temp", "part", "partial", "filepart", "crdownload")


def auto_loader_rows(
    spark: SparkSession, node: Bronze, keys: Mapping[str, str], folder: str, max_files_per_batch: int
) -> DataFrame:
    """Return the stream of the rows of new files.

    Args:
        spark: The session.
        node: The table and its source.
        keys: The name that each column expects in a header or an object.
        folder: The folder of the files.
        max_files_per_batch: At most so many files at once.

    Returns:
        The columns as STRING, `_rescued_data`, `_corrupt_record` and `_source_file` STRING.
    """
    stream = spark.readStream.format("cloudFiles").options(**auto_loader_options(node, max_files_per_batch))
    if node.source.format == "json":
        return read_objects(stream.schema("value STRING").load(folder), keys).where(finished("_source_file"))
    names = ", ".join(f"{quoted(key)} STRING" for key in keys.values())
    rows = stream.schema(f"{names}, _corrupt_record STRING").load(folder)
    columns = [F.col(quoted(key)).alias(column) for column, key in keys.items()]
    file = F.col("_metadata.file_path").alias("_source_file")
    return rows.select(*columns, "_rescued_data", "_corrupt_record", file).where(finished("_source_file"))


def auto_loader_options(node: Bronze, max_files_per_batch: int) -> dict[str, str]:
    """Return the options of Auto Loader for a table's files.

    Source: Databricks documentation, "Auto Loader options".
    """
    options = {"cloudFiles.maxFilesPerTrigger": str(max_files_per_batch), "pathGlobFilter": node.source.glob}
    if node.source.format == "json":
        return {"cloudFiles.format": "text", **options}
    return options | {
        "cloudFiles.format": "csv",
        "rescuedDataColumn": "_rescued_data",
        "columnNameOfCorruptRecord": "_corrupt_record",
        "readerCaseSensitive": "false",
        "mode": "PERMISSIVE",
        "header": "true",
        "sep": node.source.delimiter,
        "quote": '"',
        "escape": '"',
        "multiLine": "true",
    }


def finished(column: str) -> Column:
    """Return the condition that a file's name is none that it bears only while it is written.

    A file is read once, as it is then. Under its final name it is another file, which a later run reads whole.

    Args:
        column: The column with the file's path.
    """
    return ~F.lower(column).rlike(rf"\.({'|'.join(UNFINISHED)})$")
