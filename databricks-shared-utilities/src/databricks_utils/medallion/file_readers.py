"""Reading delivered files so that nothing in them is lost: unknown columns and broken rows are kept.

The result has the shape of Auto Loader's with a rescued-data column, so bronze tables are the same in both worlds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.medallion.csv_text import unclosed_quotes, with_csv_fields
from databricks_utils.medallion.damage import DamagedFile
from databricks_utils.medallion.delivered_file import DeliveredFile, local_path
from databricks_utils.medallion.json_text import with_object_fields

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from databricks_utils.medallion.pipeline import Files

#: Fields that Spark allows a line of CSV to have.
MOST_FIELDS = 20480


def read_files(
    spark: SparkSession, files: Sequence[DeliveredFile], source: Files, keys: Mapping[str, str]
) -> DataFrame | None:
    """Read files of one batch by the names of their columns.

    Args:
        spark: The session.
        files: Examined files without damage.
        source: Their format.
        keys: The name that each column expects in a header or an object; a file may have them in any order, lack
            some, or have others.

    Returns:
        The columns as STRING (NULL where the file lacks them), _rescued_data STRING (a JSON object of unexpected
        columns, or NULL), _corrupt_record STRING (the row, where it could not be split), _source_file STRING;
        None when no file holds a row.
    """
    paths = [as_pattern(file.path) for file in files]
    if source.format == "json":
        return read_objects(spark.read.text(paths), keys) if paths else None
    whole = [as_pattern(file.path) for file in files if not file.by_line]
    frames = [read_csv_texts(spark.read.text(whole, wholetext=True), source.delimiter, keys)] if whole else []
    groups: dict[tuple[str, ...], list[str]] = {}
    for file in files:
        if file.by_line and file.header:
            groups.setdefault(file.header, []).append(as_pattern(file.path))
    frames += [_read_csv_lines(spark, group, header, source.delimiter, keys) for header, group in groups.items()]
    return reduce(lambda left, right: left.unionByName(right), frames) if frames else None


def read_objects(lines: DataFrame, keys: Mapping[str, str]) -> DataFrame:
    """Return the rows of JSON lines, read as text or streamed, as `read_files` does."""
    # Of a line, only what is blank is no object: the rest is a row or a broken one.
    named = lines.where(r"value RLIKE '[^ \\t\\r\\n]'").select("value", _file())
    return _received(with_object_fields(named, "value", keys), keys)


def read_csv_texts(texts: DataFrame, delimiter: str, keys: Mapping[str, str]) -> DataFrame:
    """Return the rows of CSV files, each read or streamed as one text, as `read_files` does."""
    return _received(with_csv_fields(texts.select("value", _file()), keys, delimiter), keys)


def with_open_quotes(spark: SparkSession, files: Sequence[DeliveredFile], source: Files) -> tuple[DamagedFile, ...]:
    """Return those of the files that have a quote which is never closed, as CSV; their rows cannot be told apart."""
    # Spark writes a name in another way than it was given.
    doubtful = {local_path(file.path): file.path for file in files if not file.by_line}
    if not doubtful or source.format != "csv":
        return ()
    texts = spark.read.text([as_pattern(path) for path in doubtful.values()], wholetext=True).select("value", _file())
    reason = "a quote is never closed, in the row that begins in line {}"
    found = unclosed_quotes(texts, source.delimiter).collect()
    return tuple(
        DamagedFile(doubtful.get(local_path(row._source_file), row._source_file), reason.format(row._line))
        for row in found
    )


def as_pattern(path: str) -> str:
    """Return a path that Spark takes for this one file, though its name may hold the signs of a pattern."""
    return re.sub(r"([\\{}\[\]*?])", r"\\\1", path)


def _received(rows: DataFrame, keys: Mapping[str, str]) -> DataFrame:
    return rows.select(*keys, "_rescued_data", "_corrupt_record", "_source_file")


def _file() -> Column:
    return F.col("_metadata.file_path").alias("_source_file")


def _read_csv_lines(
    spark: SparkSession, paths: Sequence[str], header: Sequence[str], delimiter: str, keys: Mapping[str, str]
) -> DataFrame:
    # Named by their place: a header may hold names that mean something to Spark.
    fields = [f"field_{place}" for place in range(len(header))]
    rows = (
        spark.read.schema(", ".join(f"{field} STRING" for field in [*fields, "_corrupt_record"]))
        .options(header=True, enforceSchema=True, mode="PERMISSIVE", sep=delimiter, quote='"', escape='"')
        .options(columnNameOfCorruptRecord="_corrupt_record", maxColumns=max(MOST_FIELDS, 2 * len(header)))
        .csv(list(paths))
    )
    # Of a name that is there twice the first counts.
    by_name = {name.lower(): field for name, field in zip(reversed(header), reversed(fields), strict=True)}
    expected = {column: by_name.get(key.strip().lower()) for column, key in keys.items()}
    named = zip(_distinguished(header), fields, strict=True)
    unexpected = [(name, field) for name, field in named if field not in expected.values()]
    return rows.select(
        *[_text(field).alias(column) for column, field in expected.items()],
        _rescued(unexpected).alias("_rescued_data"),
        "_corrupt_record",
        _file(),
    )


def _text(field: str | None) -> Column:
    return F.lit(None).cast("string") if field is None else F.col(field)


def _distinguished(header: Sequence[str]) -> list[str]:
    """Return the names by which values without a column are told: repeated and empty ones get a number."""
    seen: Counter[str] = Counter()
    names = []
    for place, name in enumerate(header, start=1):
        seen[name.lower()] += 1
        numbered = name if seen[name.lower()] == 1 else f"{name}_{seen[name.lower()]}"
        names.append(numbered if name else f"_column_{place}")
    return names


def _rescued(fields: Sequence[tuple[str, str]]) -> Column:
    """Return a JSON object of fields by name; NULL where there are none or all are NULL."""
    if not fields:
        return F.lit(None).cast("string")
    present = F.coalesce(*[field for _, field in fields]).isNotNull()
    return F.when(present, F.to_json(F.struct(*[F.col(field).alias(name) for name, field in fields])))
