"""How far each table has read each of its sources, as rows of one Delta table.

A run loads the newest positions once and appends the new ones once. The write of a table comes first and is
repeatable (a MERGE by key, a replaced slice), so a crash between the two costs a second look at the same rows and
nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.delta import RecordTable

if TYPE_CHECKING:
    from pyspark.sql import Row

    from databricks_utils.pipeline.lakehouse import Lakehouse


@dataclass(frozen=True)
class PositionRecord:
    """How far a table had read one source, as a row of `operations.progress`."""

    table_name: str
    source_name: str
    source_version: int
    target_version: int
    run_id: str
    sequence: int
    source_id: str | None = None
    target_id: str | None = None


PROGRESS = RecordTable("operations.progress", PositionRecord)
_NOTED = ("source_version", "target_version", "source_id", "target_id")


@dataclass(frozen=True)
class Position:
    """How far a table has read its sources.

    Args:
        table: `layer.table`.
        sources: Newest version read, by source table.
        version: Version of the table that holds the result.
        identities: Which table bore the name of each source, and the table's own, when that was read and written; an
            older note does not say.
    """

    table: str
    sources: Mapping[str, int] = field(default_factory=dict)
    version: int = -1
    identities: Mapping[str, str] = field(default_factory=dict)


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
    rows = PROGRESS.frame(lakehouse.spark, lakehouse.namespace)
    newest = F.max_by(F.struct(*_NOTED), "sequence").alias("newest")
    found = rows.groupBy("table_name", "source_name").agg(newest, F.max("sequence").alias("sequence")).collect()
    tables: dict[str, list[Row]] = {}
    for row in found:
        tables.setdefault(row.table_name, []).append(row)
    positions = {table: _position(table, notes) for table, notes in tables.items()}
    return Progress(positions, max((row.sequence for row in found), default=0))


def _position(table: str, notes: Sequence[Row]) -> Position:
    sources = {row.source_name: row.newest.source_version for row in notes}
    latest = max(notes, key=lambda row: int(row.newest.target_version)).newest
    identities = {row.source_name: row.newest.source_id for row in notes} | {table: latest.target_id}
    known = {name: identity for name, identity in identities.items() if identity}
    return Position(table, sources, latest.target_version, known)


def save_progress(lakehouse: Lakehouse, progress: Progress, moved: Sequence[Position], run_id: str) -> None:
    """Append the positions a run has reached, in one commit."""
    records = [
        PositionRecord(
            table_name=position.table,
            source_name=source,
            source_version=version,
            target_version=position.version,
            run_id=run_id,
            sequence=progress.sequence + 1,
            source_id=position.identities.get(source),
            target_id=position.identities.get(position.table),
        )
        for position in moved
        for source, version in position.sources.items()
    ]
    PROGRESS.append(lakehouse.spark, lakehouse.namespace, records)


def rewound(lakehouse: Lakehouse, progress: Progress, table: str, version: int) -> Position:
    """Return the position a table had at one of its versions.

    That is the newest one recorded with a version not after the restored one. Where none was recorded, all sources
    count as unread: the next run reads everything again, which is slower and always right.
    """
    unread = {source: -1 for source in progress.of(table).sources}
    earlier = (F.col("table_name") == table) & F.col("target_version").between(0, version)
    rows = PROGRESS.read(lakehouse.spark, lakehouse.namespace, earlier)
    newest = max((row.sequence for row in rows), default=-1)
    read = {row.source_name: row.source_version for row in rows if row.sequence == newest}
    return Position(table, {**unread, **read}, version, progress.of(table).identities)
