"""Reading delivered files so that nothing in them is lost: unknown columns and broken lines are kept.

The result has the shape of Auto Loader's with a rescued-data column, so bronze tables are the same in both worlds.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


def read_files(
    spark: SparkSession,
    paths: Sequence[str],
    file_format: str,
    columns: Sequence[str],
    *,
    delimiter: str = ",",
) -> DataFrame | None:
    """Read files of one batch by column name.

    Args:
        spark: The session.
        paths: The files, as Spark names them.
        file_format: `csv` with a header line, or `json` with one object a line.
        columns: Expected columns; a file may have them in any order, lack some, or have others.
        delimiter: Field separator of CSV files.

    Returns:
        The columns as STRING (NULL where the file lacks them), _rescued_data STRING (a JSON object of unexpected
        columns, or NULL), _corrupt_record STRING (the line, where it could not be split), _source_file STRING;
        None when no file holds a line.

    Raises:
        OSError, EOFError, UnicodeError: The first line of a file cannot be read.
    """
    if file_format == "json":
        return _read_json(spark, paths, columns) if paths else None
    groups: dict[tuple[str, ...], list[str]] = {}
    for path in paths:
        header = header_of(spark, path, delimiter)
        if header:
            groups.setdefault(header, []).append(path)
    frames = [_read_csv(spark, group, header, columns, delimiter) for header, group in groups.items()]
    return reduce(lambda left, right: left.unionByName(right), frames) if frames else None


def header_of(spark: SparkSession, path: str, delimiter: str) -> tuple[str, ...]:
    """Return the names in a CSV file's first line; empty for an empty file. Repeated or empty names get a number."""
    line = _first_line(spark, path)
    if line is None or not line.strip():
        return ()
    names = [name.strip().strip("\ufeff") for name in next(csv.reader([line], delimiter=delimiter))]
    seen: dict[str, int] = {}
    unique = []
    for position, name in enumerate(names, start=1):
        base = name or f"_column_{position}"
        seen[base.lower()] = seen.get(base.lower(), 0) + 1
        unique.append(base if seen[base.lower()] == 1 else f"{base}_{seen[base.lower()]}")
    return tuple(unique)


def _first_line(spark: SparkSession, path: str) -> str | None:
    local = local_path(path)
    if local is None:
        rows = spark.read.text(as_pattern(path)).limit(1).collect()
        return rows[0].value if rows else None
    opener = gzip.open if local.suffix == ".gz" else open
    with opener(local, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
        line = file.readline().rstrip("\r\n")
    if "\x00" in line:
        raise UnicodeError(f"{path} is no UTF-8 text")
    return line or None


def local_path(path: str) -> Path | None:
    """Return where this process finds a file that Spark names; None where it is not in its file system.

    A stream names a file as it is; `_metadata.file_path` writes blanks and signs of it as %20 and the like.
    """
    found = re.fullmatch(r"(?:file:/+)?/*(.*)", path, re.DOTALL)
    if found is None or (re.match(r"[a-z][a-z0-9+.-]+:/", path) and not path.startswith("file:")):
        return None
    plain = Path("/", found[1])
    decoded = Path(unquote(str(plain)))
    return decoded if not plain.exists() and decoded.exists() else plain


def as_pattern(path: str) -> str:
    """Return a path that Spark takes for this one file, though its name may hold the signs of a pattern."""
    return re.sub(r"([\\{}\[\]*?])", r"\\\1", path)


def _read_csv(
    spark: SparkSession, paths: Sequence[str], header: Sequence[str], columns: Sequence[str], delimiter: str
) -> DataFrame:
    schema = ", ".join(f"`{name.replace('`', '``')}` STRING" for name in header)
    rows = (
        spark.read.schema(f"{schema}, _corrupt_record STRING")
        .options(header=True, enforceSchema=True, mode="PERMISSIVE", sep=delimiter, quote='"', escape='"')
        .option("columnNameOfCorruptRecord", "_corrupt_record")
        .csv([as_pattern(path) for path in paths])
    )
    by_name = {name.lower(): name for name in header}
    unexpected = [name for name in header if name.lower() not in {column.lower() for column in columns}]
    return rows.select(
        *[_column(by_name.get(name.lower())).alias(name) for name in columns],
        _rescued(unexpected).alias("_rescued_data"),
        "_corrupt_record",
        F.col("_metadata.file_path").alias("_source_file"),
    )


def _column(name: str | None) -> Column:
    return F.lit(None).cast("string") if name is None else F.col(f"`{name.replace('`', '``')}`")


def _rescued(names: Iterable[str]) -> Column:
    """Return a JSON object of the named columns, or NULL where there are none or all are NULL."""
    names = list(names)
    if not names:
        return F.lit(None).cast("string")
    present = F.coalesce(*[_column(name) for name in names]).isNotNull()
    return F.when(present, F.to_json(F.struct(*[_column(name).alias(name) for name in names])))


def _read_json(spark: SparkSession, paths: Sequence[str], columns: Sequence[str]) -> DataFrame:
    lines = (
        spark.read.text([as_pattern(path) for path in paths])
        .where("trim(value) <> ''")
        .select(
            "value",
            # A map keeps every key, also those nobody expected; NULL tells a line that is no JSON object.
            F.from_json("value", "map<string,string>").alias("fields"),
            F.col("_metadata.file_path").alias("_source_file"),
        )
    )
    expected = F.array(*[F.lit(name) for name in columns])
    others = F.map_filter("fields", lambda key, _: ~F.array_contains(expected, key))
    return lines.select(
        *[F.col("fields")[name].alias(name) for name in columns],
        F.when(F.size(others) > 0, F.to_json(others)).alias("_rescued_data"),
        F.when(F.col("fields").isNull(), F.col("value")).alias("_corrupt_record"),
        "_source_file",
    )
