"""Brings feature tables up to date: new days are added, days that late events touch are computed again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from databricks_utils.delta import changed_rows
from databricks_utils.errors import InvalidInput
from databricks_utils.features import FeatureStore, publish
from databricks_utils.medallion import Lakehouse
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Property of a feature table: the version of its source that it has seen.
SEEN = "features.source_version_seen"


@dataclass(frozen=True)
class Refreshed:
    """What was done for a feature table.

    Args:
        table: Its name.
        last_day: Newest day written.
        written: Rows of new days.
        mended: Rows of older days that were computed again.
        source_version: Version of the source's Delta table that was read.
    """

    table: str
    last_day: date
    written: int
    mended: int
    source_version: int


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
    store.ensure(spark, name)
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
    if seen != version:
        spark.sql(f"ALTER TABLE {lakehouse.identifier(name)} SET TBLPROPERTIES ('{SEEN}' = '{version}')")
    return Refreshed(name, max(newest or last_day, last_day), written, mended, version)


def seen_version(lakehouse: Lakehouse, name: str) -> int | None:
    """Return the version of its source that a feature table has seen, None where it has seen none."""
    properties = lakehouse.spark.sql(f"SHOW TBLPROPERTIES {lakehouse.identifier(name)}")
    found = [row.value for row in properties.collect() if row.key == SEEN]
    return int(found[0]) if found else None


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


def _edge(events: DataFrame, store: FeatureStore, name: str, aggregate: object) -> date:
    day = F.expr(store.registry.plan(name).day)
    found = events.agg(aggregate(day)).collect()[0][0]  # type: ignore[operator]  # min or max, which have no common type
    if found is None:
        source = store.registry.table(name).source.table
        raise InvalidInput(f"{source} has no rows", where=f"feature table {name}", hint="Run the pipeline first: run")
    return date(1970, 1, 1) + timedelta(int(found))
