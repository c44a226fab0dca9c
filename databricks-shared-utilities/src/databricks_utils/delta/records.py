"""Tables of records: what runs, rules, batches and measurements leave behind, a few rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from databricks_utils.delta.lock import locked
from databricks_utils.delta.merge import append
from databricks_utils.delta.namespace import Namespace
from databricks_utils.delta.small_frame import small_frame
from databricks_utils.delta.tables import add_missing_columns, create_table, table_exists
from databricks_utils.retry import is_transient, mentions, retry, said

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType

#: What the slower of two tasks hears that add the same column to one table; after a look at it nothing is missing.
_ADDED_MEANWHILE = ("ALREADY_EXISTS", "DUPLICATE_COLUMN")


def append_records(
    spark: SparkSession, namespace: Namespace, table: str, rows: Sequence[Sequence[object]], schema: StructType
) -> None:
    """Append rows to a table of records, in one commit; without rows nothing happens.

    The table is created when it is absent, and one of an earlier version gains the columns that it lacks. In a
    warehouse folder it is locked meanwhile, since two processes may write it at once and one commit would be lost.

    Args:
        spark: The session.
        namespace: Names of the environment.
        table: `layer.table`, as in `operations.pipeline_runs`.
        rows: Values in the schema's order, as `small_frame` takes them.
        schema: Columns of the records.

    Raises:
        InvalidInput: The table has a column of this name and another type.
        TableBusy: Another process holds the table for longer than anybody should.
    """
    if not rows:
        return
    frame = small_frame(spark, rows, schema)
    with locked(namespace, write=[table]):
        retry(lambda: _ensure(spark, namespace, table, schema), when=_may_pass)
        append(spark, namespace.identifier(table), frame, folder=namespace.location(table))


def _ensure(spark: SparkSession, namespace: Namespace, table: str, schema: StructType) -> None:
    if table_exists(spark, namespace, table):
        add_missing_columns(spark, namespace.identifier(table), schema)
    else:
        create_table(spark, namespace, table, schema=schema)


def _may_pass(error: BaseException) -> bool:
    return is_transient(error) or mentions(said(error), _ADDED_MEANWHILE)
