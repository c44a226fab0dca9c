"""Feature tables in the lakehouse: made, filled by day, mended after late events."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.contracts import parse_schema
from databricks_utils.data_quality.sql_text import quoted_name
from databricks_utils.delta import (
    Namespace,
    add_missing_columns,
    create_table,
    merge_by_key,
    overwrite,
    set_comments,
    set_table_property,
    table_exists,
    table_properties,
)
from databricks_utils.errors import InvalidInput
from databricks_utils.features.computing import Engine, compute_features
from databricks_utils.features.ddl import feature_comments, feature_table_sql, feature_tags_sql
from databricks_utils.features.definitions import AVAILABLE_AT
from databricks_utils.features.plan import EPOCH, Plan
from databricks_utils.features.registry import FeatureRegistry
from databricks_utils.features.tiles import DAY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_LOG = logging.getLogger(__name__)
#: Days written by one commit of a backfill. Each portion reads the events of its longest window before it once more.
DAYS_AT_ONCE = 366
_OBSOLETE = "_obsolete"
#: Property of a table in Unity Catalog: which tags it was given last.
_TAGGED = "features.tagged"


@dataclass(frozen=True)
class FeatureStore:
    """The feature tables of one environment.

    Args:
        namespace: Names of the environment.
        registry: The definitions.
    """

    namespace: Namespace
    registry: FeatureRegistry

    def ensure(self, spark: SparkSession, name: str) -> tuple[str, ...]:
        """Create a feature table, or add the columns it gained; on Databricks with its time series key and its tags.

        Returns:
            The columns added to a table that was there: they are NULL until their days are computed again.
        """
        table, identifier, remote = self.registry.table(name), self.namespace.identifier(name), self._remote
        added: tuple[str, ...] = ()
        if table_exists(spark, self.namespace, name):
            plan = self.registry.plan(name)
            wanted = ", ".join(f"{output.column} {output.data_type}" for output in plan.outputs)
            added = add_missing_columns(spark, identifier, parse_schema(wanted))
            set_comments(spark, identifier, table.description, feature_comments(table, self.registry.source(table)))
            if added:
                details = {"event": "feature_columns_added", "table": name}
                _LOG.warning("%s added: NULL in the days written before", ", ".join(added), extra=details)
        else:
            statement = feature_table_sql(table, self.registry.source(table), identifier, constraint=remote)
            create_table(spark, self.namespace, name, statement)
        if remote:
            self._tag(spark, name)
        return added

    def read(self, spark: SparkSession, name: str) -> DataFrame:
        """Return a feature table: the entity, `available_at` and the registered columns.

        Raises:
            InvalidInput: The table is not registered, or not written yet.
        """
        table = self.registry.table(name)
        if not table_exists(spark, self.namespace, name):
            hint = "Write it first: FeatureStore.write_days"
            raise InvalidInput(f"The feature table {name} does not exist yet", where=f"feature table {name}", hint=hint)
        return spark.table(self.namespace.identifier(name)).select(*map(quoted_name, (*table.key, *table.columns)))

    def newest_day(self, spark: SparkSession, name: str) -> date | None:
        """Return the newest day written; None where there is none."""
        newest = self.read(spark, name).agg(F.expr(f"date_sub(to_date(max({AVAILABLE_AT})), 1)")).collect()[0][0]
        return newest if newest is None else date.fromisoformat(str(newest))

    def repeated_keys(self, spark: SparkSession, name: str) -> int:
        """Count the keys that more than one row has: none, unless somebody wrote past this store.

        The primary key that Unity Catalog shows is informational; nothing there looks at the rows.
        """
        keys = [quoted_name(key) for key in self.registry.table(name).key]
        return self.read(spark, name).groupBy(*keys).count().where("count > 1").count()

    def write_days(
        self,
        spark: SparkSession,
        name: str,
        events: DataFrame,
        *,
        last_day: date,
        first_day: date | None = None,
        engine: Engine = "numpy",
    ) -> int:
        """Compute days and put them in the place of what was there; done again it changes nothing.

        Args:
            spark: The session.
            name: The feature table; it is created when absent.
            events: The source's rows.
            last_day: Last day; it should be over, since its row says that it is.
            first_day: First day. Without it, the day after the newest one written, or that of the first event.
            engine: As of `compute_features`.

        Returns:
            Rows written.
        """
        self.ensure(spark, name)
        plan = self.registry.plan(name)
        begin = first_day or self._next_day(spark, plan, events)
        if begin is None:
            return 0
        identifier, written = self.namespace.identifier(name), 0
        for start, end in _portions(begin, last_day):
            rows = compute_features(events, plan, first_day=start, last_day=end, engine=engine)
            where = _available(start, end)
            commit = overwrite(spark, identifier, rows, where=where, folder=self.namespace.location(name))
            # Rows of other days that shared a file with these are copied, and counted among those written.
            written += commit.rows_written - commit.metrics.get("numCopiedRows", 0)
        return written

    def mend(
        self,
        spark: SparkSession,
        name: str,
        events: DataFrame,
        changed: DataFrame,
        *,
        last_day: date,
        engine: Engine = "numpy",
    ) -> int:
        """Compute again what late, corrected or deleted events have touched, in one commit.

        An event of day d is in the windows of d to d + longest window - 1; the row of the day after may come or go.
        Only its entity is computed.

        Args:
            spark: The session.
            name: The feature table, which exists.
            events: The source's rows, the changed ones among them.
            changed: Events that came late; of corrected ones both versions, of deleted ones what was there.
            last_day: Newest day written.
            engine: As of `compute_features`.

        Returns:
            Rows inserted or updated.
        """
        plan, table = self.registry.plan(name), self.registry.table(name)
        keys = [quoted_name(key) for key in plan.keys]
        days = changed.select(*keys, F.expr(plan.day).alias(DAY)).where(f"{DAY} IS NOT NULL")
        first, newest = days.agg(F.min(DAY), F.max(DAY)).collect()[0]
        if first is None or EPOCH + timedelta(first) > last_day:
            return 0
        begin, end = EPOCH + timedelta(first), min(EPOCH + timedelta(newest + plan.longest), last_day)
        touched = days.select(*keys).distinct()
        own = events.join(touched, list(plan.keys), "left_semi")
        wanted = compute_features(own, plan, first_day=begin, last_day=end, engine=engine)
        stored = self.read(spark, name).where(_available(begin, end)).join(touched, list(plan.keys), "left_semi")
        gone = stored.select(*table.key).join(wanted.select(*table.key), list(table.key), "left_anti")
        rows = wanted.withColumn(_OBSOLETE, F.lit(False)).unionByName(
            gone.withColumn(_OBSOLETE, F.lit(True)), allowMissingColumns=True
        )
        commit = merge_by_key(
            spark,
            self.namespace.identifier(name),
            rows,
            table.key,
            columns=[*table.key, *table.columns],
            insert_when=f"NOT s.{_OBSOLETE}",
            delete_when=f"s.{_OBSOLETE}",
            folder=self.namespace.location(name),
        )
        return commit.rows_written

    @property
    def _remote(self) -> bool:
        """Whether tables are Unity Catalog's; no catalog of a laptop knows keys and tags."""
        return self.namespace.warehouse is None

    def _tag(self, spark: SparkSession, name: str) -> None:
        """Give table and columns their tags, unless that has been done already.

        A property remembers the tags that were set last: the daily run sets none, a run cut short is made up for, and a
        change of the definitions arrives. A tag that a definition has lost stays: it may be somebody else's by now.
        """
        identifier = self.namespace.identifier(name)
        statements = feature_tags_sql(self.registry.table(name), identifier)
        if not statements:
            return
        wanted = hashlib.sha256("\n".join(statements).encode()).hexdigest()[:16]
        if table_properties(spark, identifier).get(_TAGGED) == wanted:
            return
        for statement in statements:
            spark.sql(statement)
        set_table_property(spark, identifier, _TAGGED, wanted)

    def _next_day(self, spark: SparkSession, plan: Plan, events: DataFrame) -> date | None:
        newest = self.newest_day(spark, plan.name)
        if newest is not None:
            return newest + timedelta(1)
        first = events.agg(F.min(F.expr(plan.day))).collect()[0][0]
        return None if first is None else EPOCH + timedelta(first)


def _portions(first_day: date, last_day: date) -> Iterator[tuple[date, date]]:
    while first_day <= last_day:
        end = min(first_day + timedelta(DAYS_AT_ONCE - 1), last_day)
        yield first_day, end
        first_day = end + timedelta(1)


def _available(first_day: date, last_day: date) -> str:
    """Return SQL for the rows of some days, which are available one day later."""
    begin, end = first_day + timedelta(1), last_day + timedelta(2)
    column = quoted_name(AVAILABLE_AT)
    return f"{column} >= TIMESTAMP '{begin} 00:00:00Z' AND {column} < TIMESTAMP '{end} 00:00:00Z'"
