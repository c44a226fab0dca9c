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
    set_table_properties,
    set_table_property,
    table_exists,
    table_properties,
)
from databricks_utils.errors import InputProblems, InvalidInput
from databricks_utils.features.computing import Engine, compute_features
from databricks_utils.features.ddl import (
    DEFINED,
    definition_properties,
    feature_comments,
    feature_table_sql,
    feature_tags_sql,
)
from databricks_utils.features.definitions import AVAILABLE_AT
from databricks_utils.features.fingerprints import OtherDefinitions, named
from databricks_utils.features.key_types import contract_problems, moment_type_problems
from databricks_utils.features.plan import EPOCH
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
#: Property of a table: columns that lack its older days.
_LATE = "features.columns_without_past"
#: Property of a table: the version of its definitions, which people raise.
_VERSION = "features.version"
#: What stands for a fingerprint while days of the old definition and of the new one are side by side.
_RECOMPUTING = "being computed again"


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

        The table keeps the fingerprint of each column's definition. One that was made before there were any adopts
        those of today, which the log says.

        Returns:
            The columns added to a table that was there: they are NULL until their days are computed again.

        Raises:
            OtherDefinitions: Columns are defined otherwise than when their rows were computed, or the table has other
                keys.
        """
        self.require_current(spark, name)
        return self._ensure(spark, name)

    def require_current(self, spark: SparkSession, name: str) -> None:
        """Refuse a table whose rows were computed from other definitions; one that does not exist yet has no rows.

        Raises:
            OtherDefinitions: Columns are defined otherwise than when their rows were computed, or the table has other
                keys.
        """
        if not table_exists(spark, self.namespace, name):
            return
        changed = self._redefined(spark, name)
        if changed:
            verb = "is" if len(changed) == 1 else "are"
            raise OtherDefinitions(
                f"{named(changed)} {verb} defined otherwise than when the rows of {name} were computed",
                where=f"feature table {name}",
                hint="Compute all days again: features --backfill (FeatureStore.rebuild); then train and promote what "
                "was trained on them. Or give what has another meaning another name",
            )

    def without_past(self, spark: SparkSession, name: str) -> tuple[str, ...]:
        """Return the columns that are newer than the table: NULL in its older days until `rebuild` computes them."""
        noted = table_properties(spark, self.namespace.identifier(name)).get(_LATE, "").split(",")
        return tuple(column for column in self.registry.table(name).columns if column in noted)

    def read(self, spark: SparkSession, name: str) -> DataFrame:
        """Return a feature table: the entity, `available_at` and the registered columns.

        Raises:
            InvalidInput: The table is not registered, or not written yet, or lacks a column that is registered.
            OtherDefinitions: Its rows were computed from other definitions than those of today.
        """
        rows, table = self._table(spark, name), self.registry.table(name)
        self.require_current(spark, name)
        stored = {column.lower() for column in rows.columns}
        absent = [column for column in table.columns if column.lower() not in stored]
        if absent:
            said = f"{name} has no {named(absent)} yet"
            raise InvalidInput(said, where=f"feature table {name}", hint="Bring it up to date: features --backfill")
        return rows.select(*map(quoted_name, (*table.key, *table.columns)))

    def newest_day(self, spark: SparkSession, name: str) -> date | None:
        """Return the newest day written; None where there is none."""
        # Not to_date, which asks the session for its time zone.
        available = F.expr(f"CAST(floor(unix_seconds(max({AVAILABLE_AT})) / 86400) AS INT)")
        newest = self._table(spark, name).agg(available).collect()[0][0]
        return None if newest is None else EPOCH + timedelta(newest - 1)

    def repeated_keys(self, spark: SparkSession, name: str) -> int:
        """Count the keys that more than one row has: none, unless somebody wrote past this store.

        The primary key that Unity Catalog shows is informational; nothing there looks at the rows.
        """
        keys = [quoted_name(key) for key in self.registry.table(name).key]
        return self._table(spark, name).groupBy(*keys).count().where("count > 1").count()

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

        Raises:
            OtherDefinitions: As of `ensure`.
            InputProblems: Keys or moments of the events are not of the types that the source's contract declares.
        """
        self._require_types(name, events)
        self.ensure(spark, name)
        newest = None if first_day else self.newest_day(spark, name)
        begin = newest + timedelta(1) if newest else first_day or self.first_day(name, events)
        return 0 if begin is None else self._write(spark, name, events, begin, last_day, engine)

    def rebuild(
        self, spark: SparkSession, name: str, events: DataFrame, *, last_day: date, engine: Engine = "numpy"
    ) -> int:
        """Compute all days from the definitions of today, and take out the rows of days that have no events any more.

        Until it is done nobody reads columns that were redefined: a process that dies on the way leaves days of both
        definitions, and a table that is refused.

        Args:
            spark: The session.
            name: The feature table; it is created when absent.
            events: The source's rows, all of them.
            last_day: Last day; later rows are taken out.
            engine: As of `compute_features`.

        Returns:
            Rows written.

        Raises:
            OtherDefinitions: The table has other keys.
            InputProblems: Keys or moments of the events are not of the types that the source's contract declares.
        """
        self._require_types(name, events)
        identifier = self.namespace.identifier(name)
        if table_exists(spark, self.namespace, name):
            changed = self._redefined(spark, name)
            set_table_properties(spark, identifier, definition_properties(dict.fromkeys(changed, _RECOMPUTING)))
        self._ensure(spark, name)
        first_day = self.first_day(name, events)
        known = first_day is not None and first_day <= last_day
        written = self._write(spark, name, events, first_day, last_day, engine) if known and first_day else 0
        others = f"NOT ({_available(first_day, last_day)})" if known and first_day else "true"
        if self._table(spark, name).where(others).limit(1).count():
            spark.sql(f"DELETE FROM {identifier} WHERE {others}")
        noted, stored = table_properties(spark, identifier), self.registry.table(name).version
        wanted = {
            **definition_properties(self.registry.definitions(name)),
            _VERSION: str(stored),
            **({_LATE: ""} if noted.get(_LATE) else {}),
        }
        set_table_properties(spark, identifier, {key: text for key, text in wanted.items() if noted.get(key) != text})
        return written

    def first_day(self, name: str, events: DataFrame) -> date | None:
        """Return the day (UTC) of the first event; None where there is none."""
        first = events.agg(F.min(F.expr(self.registry.plan(name).day))).collect()[0][0]
        return None if first is None else EPOCH + timedelta(first)

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

        Raises:
            OtherDefinitions: The table's rows were computed from other definitions.
            InputProblems: Keys or moments of the events are not of the types that the source's contract declares.
        """
        self._require_types(name, events, changed)
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

    def _table(self, spark: SparkSession, name: str) -> DataFrame:
        self.registry.table(name)  # so that a name that is not registered is an error that says so
        if not table_exists(spark, self.namespace, name):
            hint = "Write it first: FeatureStore.write_days"
            raise InvalidInput(f"The feature table {name} does not exist yet", where=f"feature table {name}", hint=hint)
        return spark.table(self.namespace.identifier(name))

    def _ensure(self, spark: SparkSession, name: str) -> tuple[str, ...]:
        table, identifier, remote = (
            self.registry.table(name),
            self.namespace.identifier(name),
            not self.namespace.in_folder,
        )
        added: tuple[str, ...] = ()
        if table_exists(spark, self.namespace, name):
            self._note_definitions(spark, name)
            wanted = ", ".join(f"{output.column} {output.data_type}" for output in self.registry.plan(name).outputs)
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

    def _note_definitions(self, spark: SparkSession, name: str) -> None:
        """Note what new columns mean and that they have no past, and adopt columns that are older than notes.

        That comes before the columns are added: a process that dies in between leaves notes of columns that are not
        there, and not columns of which nobody knows that their past is missing.
        """
        identifier, wanted = self.namespace.identifier(name), self.registry.definitions(name)
        noted, stored = table_properties(spark, identifier), self._stored(spark, name)
        absent = [column for column in wanted if column not in stored]
        adopted = [column for column in wanted if column in stored and f"{DEFINED}{column}" not in noted]
        late = dict.fromkeys([*filter(None, noted.get(_LATE, "").split(",")), *absent])
        notes = definition_properties({column: wanted[column] for column in (*absent, *adopted)})
        set_table_properties(spark, identifier, {**notes, **({_LATE: ",".join(late)} if absent else {})})
        if adopted:
            details = {"event": "feature_definitions_adopted", "table": name}
            message = "%s: %d columns have no fingerprint yet and are taken for what is defined today"
            _LOG.info(message, name, len(adopted), extra=details)

    def _redefined(self, spark: SparkSession, name: str) -> list[str]:
        """Return the columns whose rows were computed from another definition than that of today.

        Raises:
            OtherDefinitions: The table has other keys, which no computation mends.
        """
        identifier, table = self.namespace.identifier(name), self.registry.table(name)
        stored, noted = self._stored(spark, name), table_properties(spark, identifier)
        missing = [key for key in table.key if key.lower() not in stored]
        problems = list(
            contract_problems(
                spark.table(identifier), self.registry.source(table), {key: key for key in table.entity}, where=name
            )
        )
        if missing or problems:
            said = problems[0].message if problems else f"{name} has no key column {named(missing)}"
            hint = "Its rows are of other entities: drop the table, then run features"
            raise OtherDefinitions(said, where=f"feature table {name}", hint=hint)
        # Before there were fingerprints, the version was all that told.
        older = noted.get(_VERSION, str(table.version)) != str(table.version)
        return [
            column
            for column, mark in self.registry.definitions(name).items()
            if column in stored and noted.get(f"{DEFINED}{column}", "" if older else mark) != mark
        ]

    def _stored(self, spark: SparkSession, name: str) -> set[str]:
        return {column.lower() for column in spark.table(self.namespace.identifier(name)).schema.names}

    def _write(
        self, spark: SparkSession, name: str, events: DataFrame, first_day: date, last_day: date, engine: Engine
    ) -> int:
        identifier, plan, written = self.namespace.identifier(name), self.registry.plan(name), 0
        for start, end in _portions(first_day, last_day):
            rows = compute_features(events, plan, first_day=start, last_day=end, engine=engine)
            where = _available(start, end)
            commit = overwrite(spark, identifier, rows, where=where, folder=self.namespace.location(name))
            # Rows of other days that shared a file with these are copied, and counted among those written.
            written += commit.rows_written - commit.metrics.get("numCopiedRows", 0)
        return written

    def _require_types(self, name: str, *frames: DataFrame) -> None:
        table = self.registry.table(name)
        contract = self.registry.source(table)
        problems: list[InvalidInput] = []
        for frame in frames:
            keys = {key: key for key in table.entity}
            problems += contract_problems(frame, contract, keys, where=f"events of {name}")
            problems += moment_type_problems(frame, contract, table.source.timestamp, where=f"events of {name}")
        if problems:
            raise InputProblems(problems)


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
