"""Bringing a feature table up to date: new days are added, days that late events touch are computed again."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from databricks_utils.delta import changed_rows, set_table_properties, table_properties
from databricks_utils.errors import InvalidInput
from databricks_utils.features.computing import Engine
from databricks_utils.features.store import FeatureStore

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from databricks_utils.pipeline import Lakehouse

_LOG = logging.getLogger(__name__)
#: Properties of a feature table: the version of its source that it has seen, which table that was, and which one it is.
SEEN, SEEN_IN, SEEN_BY = "features.source_version_seen", "features.source_id_seen", "features.table_id_seen"


@dataclass(frozen=True)
class Refreshed:
    """What was done for a feature table.

    Args:
        table: Its name.
        last_day: Newest day written.
        written: Rows of new days, or of all days where all were computed again.
        mended: Rows of older days that were computed again.
        source_version: Version of the source's Delta table that was read.
        without_past: Columns that are newer than the table: NULL in its older days until these are computed again.
        again: Why all days were computed again; empty where they were not.
    """

    table: str
    last_day: date
    written: int
    mended: int
    source_version: int
    without_past: tuple[str, ...] = ()
    again: str = ""


@dataclass(frozen=True)
class _Mark:
    """How far a feature table has read its source, as its properties have it."""

    version: int | None
    source: str | None
    table: str | None


def refresh(
    lakehouse: Lakehouse,
    store: FeatureStore,
    name: str,
    last_day: date,
    *,
    backfill: bool = False,
    engine: Engine = "numpy",
) -> Refreshed:
    """Bring a feature table up to a day.

    Its properties say which version of which table it has seen. What has changed since is computed again; all days are,
    where the source or the feature table was dropped and made again, or the source has fewer versions than were seen.

    Args:
        lakehouse: The environment's tables.
        store: The feature tables.
        name: One of them.
        last_day: Last day wanted; it should be over.
        backfill: Compute all days again, as features that were redefined or added want it.
        engine: As of `compute_features`.

    Raises:
        OtherDefinitions: Features are defined otherwise than when the rows were computed, and no backfill is asked for.
        InvalidInput: The source does not exist or has no rows.
        TableBusy: Another process holds the table.
    """
    source = store.registry.table(name).source.table
    with lakehouse.held([name], [source], "features"):
        return _refresh(lakehouse, store, name, last_day, backfill, engine)


def seen_version(lakehouse: Lakehouse, name: str) -> int | None:
    """Return the version of its source that a feature table has seen, None where it has seen none."""
    return _mark(lakehouse, name).version


def _refresh(
    lakehouse: Lakehouse, store: FeatureStore, name: str, last_day: date, backfill: bool, engine: Engine
) -> Refreshed:
    spark, source = lakehouse.spark, store.registry.table(name).source.table
    # The versions come before the rows: what is written in between is seen again in the next run.
    version, identity = lakehouse.version(source), lakehouse.identity(source)
    events = lakehouse.read(source)
    again = "asked for" if backfill else _why_again(lakehouse, store, name, version, identity)
    if again and again != "asked for":
        details = {"event": "features_recomputed", "table": name}
        _LOG.warning("%s: all days are computed again: %s", name, again, extra=details)
    if again is not None:
        _require_rows(events, store, name, source)
        written, mended, newest = store.rebuild(spark, name, events, last_day=last_day, engine=engine), 0, last_day
    else:
        store.ensure(spark, name)
        newest, mended, written = store.newest_day(spark, name) or last_day, 0, 0
        seen = _mark(lakehouse, name).version
        if seen is not None and version > seen:
            changes = changed_rows(spark, lakehouse.identifier(source), seen, version)
            mended = store.mend(spark, name, events, changes, last_day=newest, engine=engine)
        if newest < last_day:
            written = store.write_days(spark, name, events, last_day=last_day, engine=engine)
    _note(lakehouse, name, version, identity)
    late = store.without_past(spark, name)
    return Refreshed(name, max(newest, last_day), written, mended, version, late, again or "")


def _why_again(lakehouse: Lakehouse, store: FeatureStore, name: str, version: int, identity: str | None) -> str | None:
    """Return why all days are to be computed; empty for a table that has none yet, None where they need not be."""
    if not lakehouse.exists(name):
        return ""
    mark, source = _mark(lakehouse, name), store.registry.table(name).source.table
    if mark.version is None or store.newest_day(lakehouse.spark, name) is None:
        # A table without a mark of its own is of unknown age.
        return ""
    if mark.table and mark.table != lakehouse.identity(name):
        return "the feature table was made again"
    if mark.source and mark.source != identity:
        return f"{source} was made again"
    if version < mark.version:
        return f"{source} has version {version}, and version {mark.version} was seen"
    return None


def _mark(lakehouse: Lakehouse, name: str) -> _Mark:
    if not lakehouse.exists(name):
        return _Mark(None, None, None)
    found = table_properties(lakehouse.spark, lakehouse.identifier(name))
    version = found.get(SEEN)
    return _Mark(None if version is None else int(version), found.get(SEEN_IN), found.get(SEEN_BY))


def _note(lakehouse: Lakehouse, name: str, version: int, identity: str | None) -> None:
    own = lakehouse.identity(name)
    if _mark(lakehouse, name) != _Mark(version, identity, own):
        noted = {SEEN: str(version), SEEN_IN: identity or "", SEEN_BY: own or ""}
        set_table_properties(lakehouse.spark, lakehouse.identifier(name), noted)


def _require_rows(events: DataFrame, store: FeatureStore, name: str, source: str) -> None:
    if store.first_day(name, events) is None:
        raise InvalidInput(f"{source} has no rows", where=f"feature table {name}", hint="Run the pipeline first: run")
