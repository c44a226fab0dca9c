"""Brings feature tables up to date: new days are added, days that late events touch are computed again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from databricks_utils.delta import changed_rows, set_table_property, table_properties
from databricks_utils.errors import InvalidInput
from databricks_utils.features import FeatureStore, publish
from databricks_utils.medallion import Lakehouse
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Properties of a feature table: the version of its source that it has seen, and columns that lack its older days.
SEEN, LATE_COLUMNS = "features.source_version_seen", "features.columns_without_past"


@dataclass(frozen=True)
class Refreshed:
    """What was done for a feature table.

    Args:
        table: Its name.
        last_day: Newest day written.
        written: Rows of new days.
        mended: Rows of older days that were computed again.
        source_version: Version of the source's Delta table that was read.
        without_past: Columns that are newer than the table: NULL in its older days until these are computed again.
    """

    table: str
    last_day: date
    written: int
    mended: int
    source_version: int
    without_past: tuple[str, ...] = ()


def refresh(lakehouse: Lakehouse, store: FeatureStore, name: str, last_day: date, *, backfill: bool) -> Refreshed:
    """Bring a feature table up to a day.

    Args:
        lakehouse: The environment's tables.
        store: The feature tables.
        name: One of them.
        last_day: Last day wanted; it should be over.
        backfill: Compute all days again.
    """
    spark, table = lakehouse.spark, store.registry.table(name)
    late = late_columns(lakehouse, store, name)
    version, seen = lakehouse.version(table.source.table), None if backfill else seen_version(lakehouse, name)
    events = lakehouse.read(table.source.table)
    newest, mended, first_day = store.newest_day(spark, name), 0, None
    if seen is None or newest is None:
        # A table without a mark of its own is of unknown age: it is written from its first event on.
        first_day = first_event_day(events, store, name)
    elif version > seen:
        changes = changed_rows(spark, lakehouse.identifier(table.source.table), seen, version)
        mended = store.mend(spark, name, events, changes, last_day=newest)
    written = (
        store.write_days(spark, name, events, last_day=last_day, first_day=first_day)
        if (newest is None or first_day is not None or newest < last_day)
        else 0
    )
    if late and first_day is not None:
        late = _note_late(lakehouse, name, ())
    if seen != version:
        set_table_property(spark, lakehouse.identifier(name), SEEN, str(version))
    return Refreshed(name, max(newest or last_day, last_day), written, mended, version, late)


def late_columns(lakehouse: Lakehouse, store: FeatureStore, name: str) -> tuple[str, ...]:
    """Create a feature table or add what it lacks, and return its columns whose older days are not computed yet."""
    added = store.ensure(lakehouse.spark, name)
    properties = table_properties(lakehouse.spark, lakehouse.identifier(name))
    noted = [column for column in properties.get(LATE_COLUMNS, "").split(",") if column]
    late = tuple(column for column in store.registry.table(name).columns if column in {*noted, *added})
    return _note_late(lakehouse, name, late) if added else late


def seen_version(lakehouse: Lakehouse, name: str) -> int | None:
    """Return the version of its source that a feature table has seen, None where it has seen none."""
    found = table_properties(lakehouse.spark, lakehouse.identifier(name)).get(SEEN)
    return None if found is None else int(found)


def first_event_day(events: DataFrame, store: FeatureStore, name: str) -> date:
    """Return the day (UTC) of the first event of a feature table's source.

    Raises:
        InvalidInput: The source is empty.
    """
    return _edge(events, store, name, F.min)


def last_event_day(events: DataFrame, store: FeatureStore, name: str) -> date:
    """Return the day (UTC) of the last event of a feature table's source.

    Raises:
        InvalidInput: The source is empty.
    """
    return _edge(events, store, name, F.max)


def publish_online(lakehouse: Lakehouse, store: FeatureStore, name: str, path: Path, last_day: date) -> int:
    """Put the newest row of every entity into the online store, and return how many entities it then knows.

    Only rows that are still valid on the last day are read: `ttl_days` takes the others out of use anyway.
    """
    ttl = store.registry.table(name).ttl_days
    rows = store.read(lakehouse.spark, name)
    if ttl is not None:
        rows = rows.where(F.col("available_at") > F.lit(f"{last_day - timedelta(ttl)} 00:00:00Z").cast("timestamp"))
    path.parent.mkdir(parents=True, exist_ok=True)
    return publish(path, store.registry, name, rows)


def _note_late(lakehouse: Lakehouse, name: str, columns: Sequence[str]) -> tuple[str, ...]:
    # Written down, because the run after this one finds the columns there and could not know.
    set_table_property(lakehouse.spark, lakehouse.identifier(name), LATE_COLUMNS, ",".join(columns))
    return tuple(columns)


def _edge(events: DataFrame, store: FeatureStore, name: str, aggregate: object) -> date:
    day = F.expr(store.registry.plan(name).day)
    found = events.agg(aggregate(day)).collect()[0][0]  # type: ignore[operator]  # min or max, which have no common type
    if found is None:
        source = store.registry.table(name).source.table
        raise InvalidInput(f"{source} has no rows", where=f"feature table {name}", hint="Run the pipeline first: run")
    return date(1970, 1, 1) + timedelta(int(found))
