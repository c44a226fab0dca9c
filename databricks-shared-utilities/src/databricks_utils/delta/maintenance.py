"""Keeping tables healthy: OPTIMIZE, VACUUM, RESTORE, shallow clones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from databricks_utils.delta.namespace import quoted
from databricks_utils.errors import InvalidInput

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Below a week a reader or a stream may lose files it still needs; Delta's own check has this limit too.
MINIMUM_RETENTION_HOURS = 168


def optimize(spark: SparkSession, identifier: str, *, zorder_by: Sequence[str] = ()) -> int:
    """Compact small files and return how many were removed.

    Args:
        spark: The session.
        identifier: Quoted table. A table with CLUSTER BY is clustered by it and takes no Z-order.
        zorder_by: Columns that queries filter by, for tables without clustering.
    """
    zorder = f" ZORDER BY ({', '.join(quoted(name) for name in zorder_by)})" if zorder_by else ""
    row = spark.sql(f"OPTIMIZE {identifier}{zorder}").select("metrics.numFilesRemoved").collect()[0]
    return int(row[0])


def vacuum(spark: SparkSession, identifier: str, *, retention_hours: int = MINIMUM_RETENTION_HOURS) -> None:
    """Delete files that no version within the retention needs.

    Raises:
        InvalidInput: The retention is below seven days.
    """
    if retention_hours < MINIMUM_RETENTION_HOURS:
        raise InvalidInput(
            f"A retention of {retention_hours} hours would delete files that running readers need",
            where=f"VACUUM {identifier}",
            hint=f"Use at least {MINIMUM_RETENTION_HOURS} hours (retention.vacuum_hours)",
        )
    spark.sql(f"VACUUM {identifier} RETAIN {retention_hours} HOURS")


def restore(spark: SparkSession, identifier: str, version: int) -> None:
    """Bring the table back to a version; the versions between stay in the history."""
    spark.sql(f"RESTORE TABLE {identifier} TO VERSION AS OF {version}")


def delete_older(spark: SparkSession, identifier: str, column: str, *, days: int) -> int:
    """Delete rows whose date is more than `days` days ago, and return how many.

    Args:
        spark: The session.
        identifier: Quoted table.
        column: DATE column.
        days: Retention in days.
    """
    condition = f"{quoted(column)} < date_sub(current_date(), {days})"
    rows = spark.sql(f"DELETE FROM {identifier} WHERE {condition}").collect()
    return int(rows[0][0]) if rows and rows[0][0] is not None else 0
