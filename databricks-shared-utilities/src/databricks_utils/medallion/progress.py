"""How far each table has read each of its sources, as rows of one Delta table.

A run loads the newest positions once and appends the new ones once. The write of a table comes first and is
repeatable (a MERGE by key, a replaced slice), so a crash between the two costs a second look at the same rows and
nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from databricks_utils.contracts import parse_schema
from databricks_utils.delta import append_records, literal

if TYPE_CHECKING:
    from databricks_utils.medallion.lakehouse import Lakehouse

TABLE = "operations.progress"
SCHEMA = (
    "table_name STRING, source_name STRING, source_version BIGINT, "
    "target_version BIGINT, run_id STRING, sequence BIGINT"
)


@dataclass(frozen=True)
class Position:
    """How far a table has read its sources.

    Args:
        table: `layer.table`.
        sources: Newest version read, by source table.
        version: Version of the table that holds the result.
    """

    table: str
    sources: Mapping[str, int] = field(default_factory=dict)
    version: int = -1


@dataclass(frozen=True)
class Progress:
    """All positions at the start of a run."""

    positions: Mapping[str, Position] = field(default_factory=dict)
    sequence: int = 0

    def of(self, table: str) -> Position:
        """Return a table's position; before the first run it has read nothing."""
        return self.positions.get(table, Position(table))


def load_progress(lakehouse: Lakehouse) -> Progress:
    """Return the newest position of every table."""
    if not lakehouse.exists(TABLE):
        return Progress()
    rows = lakehouse.spark.sql(
        f"SELECT table_name, source_name, max_by(struct(source_version, target_version), sequence) AS newest, "
        f"max(sequence) AS sequence FROM {lakehouse.identifier(TABLE)} GROUP BY table_name, source_name"
    ).collect()
    sources: dict[str, dict[str, int]] = {}
    versions: dict[str, int] = {}
    for row in rows:
        sources.setdefault(row.table_name, {})[row.source_name] = row.newest.source_version
        versions[row.table_name] = max(versions.get(row.table_name, -1), row.newest.target_version)
    positions = {table: Position(table, found, versions[table]) for table, found in sources.items()}
    return Progress(positions, max((row.sequence for row in rows), default=0))


def save_progress(lakehouse: Lakehouse, progress: Progress, moved: Sequence[Position], run_id: str) -> None:
    """Append the positions a run has reached, in one commit."""
    rows = [
        (position.table, source, version, position.version, run_id, progress.sequence + 1)
        for position in moved
        for source, version in position.sources.items()
    ]
    append_records(lakehouse.spark, lakehouse.namespace, TABLE, rows, parse_schema(SCHEMA))


def rewound(lakehouse: Lakehouse, progress: Progress, table: str, version: int) -> Position:
    """Return the position a table had at one of its versions.

    That is the newest one recorded with a version not after the restored one. Where none was recorded, all sources
    count as unread: the next run reads everything again, which is slower and always right.
    """
    unread = {source: -1 for source in progress.of(table).sources}
    if not lakehouse.exists(TABLE):
        return Position(table, unread, version)
    rows = (
        lakehouse.read(TABLE)
        .where(f"table_name = {literal(table)} AND target_version BETWEEN 0 AND {version}")
        .collect()
    )
    newest = max((row.sequence for row in rows), default=-1)
    read = {row.source_name: row.source_version for row in rows if row.sequence == newest}
    return Position(table, {**unread, **read}, version)
