"""Which days the events of a feature table have, and which of its rows are worth looking up."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.errors import InvalidInput
from databricks_utils.features.online import publish
from databricks_utils.features.store import FeatureStore

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


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


def publish_valid(spark: SparkSession, store: FeatureStore, name: str, path: Path, last_day: date) -> int:
    """Put the newest row of every entity into the online store, and return how many entities it then knows.

    Only rows that are still valid on the last day are read: `ttl_days` takes the others out of use anyway.
    """
    ttl = store.registry.table(name).ttl_days
    rows = store.read(spark, name)
    if ttl is not None:
        rows = rows.where(F.col("available_at") > F.lit(f"{last_day - timedelta(ttl)} 00:00:00Z").cast("timestamp"))
    path.parent.mkdir(parents=True, exist_ok=True)
    return publish(path, store.registry, name, rows, everything=True)


def _edge(events: DataFrame, store: FeatureStore, name: str, aggregate: object) -> date:
    day = F.expr(store.registry.plan(name).day)
    found = events.agg(aggregate(day)).collect()[0][0]  # type: ignore[operator]  # min or max, which have no common type
    if found is None:
        source = store.registry.table(name).source.table
        raise InvalidInput(f"{source} has no rows", where=f"feature table {name}", hint="Run the pipeline first: run")
    return date(1970, 1, 1) + timedelta(int(found))
