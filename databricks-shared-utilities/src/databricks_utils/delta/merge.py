"""Writing rows by key: one MERGE, one commit, nothing rewritten that did not change."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql.types import NumericType

from databricks_utils.delta.commit_log import newest_version
from databricks_utils.delta.comparison import comparable
from databricks_utils.delta.namespace import quoted
from databricks_utils.delta.tables import Commit, commits_since, last_commit
from databricks_utils.spark_client import SERIES, bind_to_thread

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType


#: Delta's name of what a writer may note beside its rows, in the same commit.
NOTE = "userMetadata"


@contextmanager
def temporary_view(frame: DataFrame) -> Iterator[str]:
    """Give a frame a name for the length of one statement; the name is unique, so threads do not meet."""
    name = f"_view_{uuid.uuid4().hex}"
    frame.createOrReplaceTempView(name)
    try:
        yield name
    finally:
        frame.sparkSession.catalog.dropTempView(name)


def not_older(*columns: str) -> str:
    """Return the condition, over `s` and `t`, under which a row offered may replace the one stored.

    NULL comes before every value, as where the newest of several rows is chosen: a plain `s >= t` would be NULL
    whenever either is, and a row stored without a sequence could never be replaced. Structs are compared that way.

    Args:
        columns: What orders versions of a row; each decides where those before it are equal.
    """
    offered, stored = (", ".join(f"{side}.{quoted(name)}" for name in columns) for side in "st")
    return f"struct({offered}) >= struct({stored})"


def merge_by_key(
    spark: SparkSession,
    identifier: str,
    rows: DataFrame,
    key: Sequence[str],
    *,
    columns: Sequence[str],
    compared: Sequence[str] | None = None,
    update_when: str | None = None,
    insert_when: str | None = None,
    delete_when: str | None = None,
    folder: Path | None = None,
) -> Commit:
    """Insert new keys and update changed rows in one commit.

    Args:
        spark: The session.
        identifier: Quoted target table.
        rows: One row per key; `columns` and whatever the conditions name.
        key: Key columns, compared null-safe.
        columns: The columns written.
        compared: A matched row is updated only if one of these differs; all non-key columns by default.
        update_when: Further SQL condition over `s` (source) and `t` (target) for an update.
        insert_when: SQL condition over `s` for an insert.
        delete_when: SQL condition over `s` for deleting a matched row; it goes first.
        folder: The table's folder where this process can read it; makes the commit cheap to find.

    Returns:
        The commit; a MERGE that changes nothing may make none, then its metrics are zero.
    """
    compared = [name for name in columns if name not in key] if compared is None else compared
    types = rows.schema
    on = " AND ".join(f"t.{quoted(name)} <=> s.{quoted(name)}" for name in key)
    clauses = []
    if delete_when:
        clauses.append(f"WHEN MATCHED AND {delete_when} THEN DELETE")
    if compared:
        differs = " OR ".join(f"NOT ({_same(name, types)})" for name in compared)
        condition = f"({differs})" + (f" AND ({update_when})" if update_when else "")
        assigned = ", ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in columns)
        clauses.append(f"WHEN MATCHED AND {condition} THEN UPDATE SET {assigned}")
    names = ", ".join(quoted(name) for name in columns)
    values = ", ".join(f"s.{quoted(name)}" for name in columns)
    insert = f" AND ({insert_when})" if insert_when else ""
    clauses.append(f"WHEN NOT MATCHED{insert} THEN INSERT ({names}) VALUES ({values})")
    before = last_commit(spark, identifier, folder=folder)
    with temporary_view(rows) as view:
        statement = f"MERGE INTO {identifier} t USING {view} s ON {on} {' '.join(clauses)}"
        rows.sparkSession.sql(statement).collect()
    # Somebody else may have committed between this statement's reading and its commit, or since.
    later = commits_since(spark, identifier, before.version, folder=folder)
    own = (commit for commit in later if commit.operation == "MERGE")
    return next(own, Commit(before.version, "MERGE"))


def _same(name: str, types: StructType) -> str:
    stored, offered = (comparable(f"{side}.{quoted(name)}", types[name].dataType) for side in "ts")
    return f"{stored} <=> {offered}"


def overwrite(
    spark: SparkSession,
    identifier: str,
    rows: DataFrame,
    *,
    where: str | None = None,
    note: str | None = None,
    folder: Path | None = None,
) -> Commit:
    """Replace the whole table, or the rows `where` selects, in one commit; a note is kept with it."""
    # Not saveAsTable: it would replace the table itself, with its comments and properties, and before Spark 4 even a
    # slice of it that way.
    writer = _writable(spark, identifier, rows).writeTo(identifier)
    if note is not None:
        writer = writer.option(NOTE, note)
    if where is None and folder is not None and _was_only_created(spark, identifier, folder):
        # Nothing is there to replace, and Delta would start three jobs to find that out.
        writer.append()
    else:
        writer.overwrite(F.expr(where or "true"))
    return last_commit(spark, identifier, folder=folder)


def _was_only_created(spark: SparkSession, identifier: str, folder: Path) -> bool:
    """Say whether a table has no commit but its creation; whoever has its folder also has its lock."""
    if newest_version(folder) != 0:
        return False
    return last_commit(spark, identifier, folder=folder).operation == "CREATE TABLE"


def _writable(spark: SparkSession, identifier: str, rows: DataFrame) -> DataFrame:
    """Return rows as this version of Spark and Delta Lake can write them to a table.

    Before 4.1 Delta Lake casts numbers to the table's types in statements only: a frame with a DECIMAL(22,2) for a
    DECIMAL(10,2), as a sum of two columns gives, is refused.
    """
    bind_to_thread(spark)
    if SERIES >= (4, 1):
        return rows
    stored = {field.name.lower(): field.dataType for field in spark.table(identifier).schema}
    fitting = []
    for field in rows.schema:
        kind = stored.get(field.name.lower())
        numbers = isinstance(kind, NumericType) and isinstance(field.dataType, NumericType) and kind != field.dataType
        column = F.col(quoted(field.name))
        fitting.append(column.cast(kind).alias(field.name) if numbers and kind is not None else column)
    return rows.select(*fitting)


def append(
    spark: SparkSession,
    identifier: str,
    rows: DataFrame,
    *,
    transaction: tuple[str, int] | None = None,
    note: str | None = None,
    folder: Path | None = None,
) -> Commit:
    """Append rows; with a transaction (application id, number) a repeated number writes nothing. A note is kept."""
    writer = _writable(spark, identifier, rows).write.format("delta").mode("append")
    if note is not None:
        writer = writer.option(NOTE, note)
    if transaction is not None:
        application, number = transaction
        writer = writer.option("txnAppId", application).option("txnVersion", number)
    writer.saveAsTable(identifier)
    return last_commit(spark, identifier, folder=folder)
