"""Delta tables as objects of the catalog: create, register, extend, look at the log."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from databricks_utils.delta.commit_log import commit_entries, newest_version, table_id
from databricks_utils.delta.namespace import Namespace, quoted
from databricks_utils.errors import InvalidInput
from databricks_utils.spark_client import over_connect
from databricks_utils.sql_literal import string_literal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import DataType, StructField, StructType

#: Tables whose rows are merged can be read incrementally, and rows are replaced without rewriting files. Readers must
#: know deletion vectors.
TABLE_PROPERTIES: Mapping[str, str] = {
    "delta.enableChangeDataFeed": "true",
    "delta.enableDeletionVectors": "true",
}
#: Tables that rows are appended to have nothing that an old or simple reader of Delta Lake refuses, whatever the place
#: enables by itself.
APPENDED_PROPERTIES: Mapping[str, str] = {**TABLE_PROPERTIES, "delta.enableDeletionVectors": "false"}


@dataclass(frozen=True)
class Commit:
    """One entry of a table's history.

    Args:
        version: Delta version, from 0.
        operation: For example `WRITE` or `MERGE`.
        metrics: Operation metrics; counts of rows and files as integers.
        note: What the writer noted beside its rows (Delta's `userMetadata`), or None.
    """

    version: int
    operation: str
    metrics: Mapping[str, int] = field(default_factory=dict)
    note: str | None = None

    @property
    def rows_written(self) -> int:
        """Rows inserted or updated by the commit."""
        if self.operation == "MERGE":
            return self.metrics.get("numTargetRowsInserted", 0) + self.metrics.get("numTargetRowsUpdated", 0)
        return self.metrics.get("numOutputRows", 0)


def ensure_schema(spark: SparkSession, namespace: Namespace, layer: str) -> None:
    """Create the layer's schema locally; elsewhere a schema belongs to whoever deploys."""
    if namespace.warehouse is not None:
        spark.sql(f"CREATE SCHEMA IF NOT EXISTS {namespace.schema(layer)}")


def table_exists(spark: SparkSession, namespace: Namespace, table: str) -> bool:
    """Say whether the table exists, registering it first when only its folder is known.

    The local catalog lives as long as the process; the folders below the warehouse stay.
    """
    identifier = namespace.identifier(table)
    if spark.catalog.tableExists(identifier.replace("`", "")):
        return True
    location = namespace.location(table)
    if location is None or not (location / "_delta_log").is_dir():
        return False
    layer = table.partition(".")[0]
    ensure_schema(spark, namespace, layer)
    spark.sql(f"CREATE TABLE IF NOT EXISTS {identifier} USING DELTA LOCATION {string_literal(location.as_posix())}")
    return True


def create_table(
    spark: SparkSession,
    namespace: Namespace,
    table: str,
    statement: str | None = None,
    *,
    schema: StructType | None = None,
) -> None:
    """Create a table from a finished CREATE statement, or from a schema alone.

    Args:
        spark: The session.
        namespace: Names of the environment.
        table: `layer.table`.
        statement: `CREATE TABLE IF NOT EXISTS … USING DELTA …` without LOCATION; the location is appended locally.
        schema: Used when no statement is given, for a table that rows are appended to.
    """
    ensure_schema(spark, namespace, table.partition(".")[0])
    if statement is None:
        if schema is None:
            raise ValueError("create_table needs a statement or a schema")
        columns = ", ".join(f"{quoted(item.name)} {item.dataType.simpleString()}" for item in schema)
        properties = ", ".join(f"'{key}' = '{value}'" for key, value in APPENDED_PROPERTIES.items())
        statement = (
            f"CREATE TABLE IF NOT EXISTS {namespace.identifier(table)} ({columns}) "
            f"USING DELTA TBLPROPERTIES ({properties})"
        )
    location = namespace.location(table)
    spark.sql(statement if location is None else f"{statement} LOCATION {string_literal(location.as_posix())}")


def add_missing_columns(spark: SparkSession, identifier: str, wanted: StructType) -> tuple[str, ...]:
    """Add the columns of `wanted` that the table lacks, and return their names.

    Types are not changed and no column is dropped: both need a decision by a person.

    Raises:
        InvalidInput: A column has another type in the table.
    """
    present = {item.name.lower(): stored_type(item) for item in spark.table(identifier).schema}
    for item in wanted:
        if (stored := present.get(item.name.lower(), stored_type(item))) != stored_type(item):
            raise InvalidInput(
                f"{identifier.replace('`', '')} stores {item.name} as {stored}, its contract says {stored_type(item)}",
                hint="Give the column a new name, or change its type with ALTER TABLE; or drop the table, then run it "
                "and what reads it with --full-refresh",
            )
    missing = [item for item in wanted if item.name.lower() not in present]
    if missing:
        columns = ", ".join(f"{quoted(item.name)} {_written(item.dataType)}" for item in missing)
        if "timestamp_ntz" in columns:
            # Only where a table is created does Delta Lake take the feature from the type.
            set_table_property(spark, identifier, "delta.feature.timestampNtz", "supported")
        spark.sql(f"ALTER TABLE {identifier} ADD COLUMNS ({columns})")
    return tuple(item.name for item in missing)


def _written(kind: DataType) -> str:
    """Return a type as SQL reads it, whatever the names of its fields are."""
    from pyspark.sql.types import ArrayType, MapType, StructType

    if isinstance(kind, ArrayType):
        return f"array<{_written(kind.elementType)}>"
    if isinstance(kind, MapType):
        return f"map<{_written(kind.keyType)}, {_written(kind.valueType)}>"
    if isinstance(kind, StructType):
        return f"struct<{', '.join(f'{quoted(item.name)}: {_written(item.dataType)}' for item in kind)}>"
    return kind.simpleString()


def set_comments(spark: SparkSession, identifier: str, description: str, columns: Mapping[str, str]) -> tuple[str, ...]:
    """Give a table and its columns the comments that a definition has; only those that differ are written.

    Args:
        spark: The session.
        identifier: Quoted table.
        description: Comment of the table; an empty one leaves what there is.
        columns: Comments by column of the table; an empty one leaves what there is.

    Returns:
        The columns whose comments were written, each in a commit of its own.
    """
    if description and description != (spark.catalog.getTable(identifier.replace("`", "")).description or ""):
        spark.sql(f"COMMENT ON TABLE {identifier} IS {string_literal(description)}")
    present = {item.name.lower(): item.metadata.get("comment", "") for item in spark.table(identifier).schema}
    changed = tuple(name for name, text in columns.items() if text and text != present.get(name.lower(), text))
    for name in changed:
        spark.sql(f"ALTER TABLE {identifier} ALTER COLUMN {quoted(name)} COMMENT {string_literal(columns[name])}")
    return changed


def tables_of(spark: SparkSession, namespace: Namespace) -> list[str]:
    """Return every Delta table in the schemas of an environment, as `layer.table`, sorted within each layer.

    Views and tables of other formats are left out.
    """
    return [f"{layer}.{name}" for layer in namespace.schemas for name in sorted(_tables_in(spark, namespace, layer))]


def _tables_in(spark: SparkSession, namespace: Namespace, layer: str) -> list[str]:
    if namespace.warehouse is not None:
        folder = namespace.warehouse / namespace.schemas[layer]
        return [path.parent.name for path in folder.glob("*/_delta_log")]
    if not spark.catalog.databaseExists(namespace.schema(layer).replace("`", "")):
        return []
    found = [row.tableName for row in spark.sql(f"SHOW TABLES IN {namespace.schema(layer)}").collect()]
    return [name for name in found if not name.startswith("_view_") and _is_delta(spark, namespace, f"{layer}.{name}")]


def _is_delta(spark: SparkSession, namespace: Namespace, table: str) -> bool:
    identifier = namespace.identifier(table)
    if spark.catalog.getTable(identifier.replace("`", "")).tableType not in ("MANAGED", "EXTERNAL"):
        return False
    return str(spark.sql(f"DESCRIBE DETAIL {identifier}").select("format").collect()[0][0]) == "delta"


def table_properties(spark: SparkSession, identifier: str) -> dict[str, str]:
    """Return the properties of a table by name, those that Delta Lake keeps there itself among them."""
    return {row.key: row.value for row in spark.sql(f"SHOW TBLPROPERTIES {identifier}").collect()}


def set_table_property(spark: SparkSession, identifier: str, key: str, value: str) -> None:
    """Write one property of a table, in a commit of its own."""
    set_table_properties(spark, identifier, {key: value})


def set_table_properties(spark: SparkSession, identifier: str, properties: Mapping[str, str]) -> None:
    """Write properties of a table, all of them in one commit; without any nothing happens."""
    if properties:
        listed = ", ".join(f"{string_literal(key)} = {string_literal(value)}" for key, value in properties.items())
        spark.sql(f"ALTER TABLE {identifier} SET TBLPROPERTIES ({listed})")


def stored_type(column: StructField) -> str:
    """Return a column's type as a table stores it; the length of a text is not part of it."""
    return re.sub(r"(?:var)?char\(\d+\)", "string", column.dataType.simpleString()).upper()


def last_commit(spark: SparkSession, identifier: str, *, folder: Path | None = None) -> Commit:
    """Return the newest entry of the table's history.

    Args:
        spark: The session.
        identifier: Quoted table.
        folder: The table's folder where this process can read it; then the log is read and Spark is not asked.
    """
    return commits_since(spark, identifier, limit=1, folder=folder)[0]


def commits_since(
    spark: SparkSession,
    identifier: str,
    version: int = -1,
    *,
    limit: int | None = None,
    folder: Path | None = None,
) -> list[Commit]:
    """Return the commits after `version`, newest first.

    Args:
        spark: The session.
        identifier: Quoted table.
        version: Delta version after which to look.
        limit: At most so many of the newest.
        folder: The table's folder where this process can read it; then the log is read and Spark is not asked.
    """
    if folder is not None:
        if newest_version(folder) == version:
            return []
        entries = commit_entries(folder, version, limit)
        if entries is not None:
            return [_commit(**entry) for entry in entries]
    history = spark.sql(f"DESCRIBE HISTORY {identifier}{'' if limit is None else f' LIMIT {limit}'}")
    rows = (
        history.select("version", "operation", "operationMetrics", "userMetadata")
        .where(f"version > {version}")
        .collect()
    )
    return [_commit(**row.asDict()) for row in sorted(rows, key=lambda row: -int(row.version))]


def changed_rows(spark: SparkSession, identifier: str, after: int, until: int) -> DataFrame:
    """Return the change feed between two versions.

    Returns:
        The table's columns and `_change_type` (insert, update_preimage, update_postimage, delete),
        `_commit_version`, `_commit_timestamp`, for the versions `after` < v <= `until`.
    """
    feed = (
        spark.read.option("readChangeFeed", "true")
        .option("startingVersion", after + 1)
        .option("endingVersion", until)
        .table(identifier)
    )
    if not over_connect(spark):
        return feed
    # Spark takes two reads of one table in one query for the same, whatever their options (SPARK-58330). Over Connect a
    # query is looked at as a whole, so that rows of the table would be taken for its changes, or its changes for its
    # rows. A view is looked at when it is made; it has one name for each range, and goes with the session.
    name = "_changes_" + hashlib.sha256(f"{identifier} {after} {until}".encode()).hexdigest()[:16]
    feed.createOrReplaceTempView(name)
    return spark.table(name)


def identity_of(spark: SparkSession, identifier: str, *, folder: Path | None = None) -> str:
    """Return what tells a table from one of the same name that was dropped before it.

    Args:
        spark: The session.
        identifier: Quoted table.
        folder: The table's folder where this process can read it; then the log is read and Spark is not asked.
    """
    found = table_id(folder) if folder is not None else None
    return found or str(spark.sql(f"DESCRIBE DETAIL {identifier}").select("id").collect()[0][0])


def rows_at(spark: SparkSession, identifier: str, version: int) -> DataFrame:
    """Return the table as it was at a version, so that a whole step reads one state."""
    return spark.sql(f"SELECT * FROM {identifier} VERSION AS OF {version}")


def _commit(
    version: int, operation: str, operationMetrics: Mapping[str, str] | None, userMetadata: str | None
) -> Commit:
    counts = {key: int(text) for key, text in (operationMetrics or {}).items() if str(text).isdigit()}
    return Commit(version, operation, counts, userMetadata)
