"""What a table has to look at in this run: everything, only what changed since the last, or nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from databricks_utils.delta import Commit, changed_rows, rows_at
from databricks_utils.medallion.matching import rows_with
from databricks_utils.medallion.pipeline import Gold, Silver
from databricks_utils.medallion.progress import Position
from databricks_utils.pipeline.flow import Lookup, as_lookups
from databricks_utils.pipeline.lakehouse import Lakehouse

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

#: Operations that leave all rows where they are.
_WITHOUT_DELETES = (
    "CREATE TABLE",
    "OPTIMIZE",
    "ADD COLUMNS",
    "SET TBLPROPERTIES",
    "CLUSTER BY",
    "VACUUM START",
    "VACUUM END",
)
#: Operations with which a run, or Auto Loader's stream, adds to bronze.
_APPENDS = ("WRITE", "STREAMING UPDATE")
CHANGE_COLUMNS = ("_change_type", "_commit_version", "_commit_timestamp")


@dataclass(frozen=True)
class Increment:
    """The versions a table reads in this run.

    Args:
        lakehouse: The open lakehouse.
        node: The table computed.
        position: How far it had read before.
        versions: Newest version of each source now.
        full: Everything is to be computed again.
        identities: Which tables bear the names of the sources and of the table computed.
    """

    lakehouse: Lakehouse
    node: Silver | Gold
    position: Position
    versions: Mapping[str, int]
    full: bool
    identities: Mapping[str, str] = field(default_factory=dict)

    def reached(self, version: int) -> Position:
        """Return how far the table has read once this run's rows are in one of its versions."""
        own = {self.node.table: identity} if (identity := self.lakehouse.identity(self.node.table)) else {}
        return Position(self.node.table, self.versions, version, {**self.identities, **own})

    @property
    def note(self) -> str:
        """What a commit notes of the versions it was made from, for `resumed`."""
        return json.dumps({"read": dict(self.versions)})

    @property
    def nothing_new(self) -> bool:
        """True when no source has moved since the last run."""
        return not self.full and dict(self.position.sources) == dict(self.versions)

    @property
    def described(self) -> str:
        """The versions read, as words."""
        if self.reads_everything:
            return f"all of {self.node.reads} up to version {self.until}"
        moved = {table: (self.position.sources.get(table, -1), now) for table, now in self.versions.items()}
        ranges = [f"{table} versions {seen + 1} to {now}" for table, (seen, now) in moved.items() if seen < now]
        return ", ".join(ranges) or "nothing new"

    @property
    def until(self) -> int:
        """Newest version of the table read."""
        return self.versions[self.node.reads]

    @property
    def after(self) -> int:
        """Newest version of the table read that was seen before; -1 when all is new."""
        return -1 if self.full else self.position.sources.get(self.node.reads, -1)

    @property
    def reads_everything(self) -> bool:
        """True when the whole table read is to be looked at: in the first run, and whenever all is computed again."""
        return self.after < 0

    @property
    def reads_nothing(self) -> bool:
        """True when the table read has not moved; a lookup may have."""
        return self.after == self.until

    @property
    def source(self) -> str:
        """Identifier of the table read."""
        return self.lakehouse.identifier(self.node.reads)

    def everything(self) -> DataFrame:
        """Return the table read as of this run's version."""
        return rows_at(self.lakehouse.spark, self.source, self.until)

    def changes(self) -> DataFrame:
        """Return the change feed of the table read, with both images of updated rows; no row when it has not moved."""
        if self.reads_nothing:
            # Delta refuses a range without a version; a run comes here when a lookup alone has moved.
            empty = {"_change_type": "string", "_commit_version": "bigint", "_commit_timestamp": "timestamp"}
            columns = {name: F.lit(None).cast(kind) for name, kind in empty.items()}
            return self.everything().where("false").withColumns(columns)
        return changed_rows(self.lakehouse.spark, self.source, self.after, self.until)

    def new_rows(self) -> DataFrame:
        """Return rows inserted since the last run and still there, of a table that its runs only append to."""
        if self.reads_everything:
            return self.everything()
        inserted = self.changes().where("_change_type = 'insert'").drop(*CHANGE_COLUMNS)
        if self.appended_rows() is not None:
            return inserted
        # Somebody erased rows by hand, perhaps some that no run has seen yet.
        return inserted.exceptAll(self.changes().where("_change_type = 'delete'").drop(*CHANGE_COLUMNS))

    def appended_rows(self) -> int | None:
        """Return how many rows were appended since the last run; None when the log does not tell, or rows went."""
        commits = [c for c in self.lakehouse.commits_since(self.node.reads, self.after) if c.version <= self.until]
        complete = self.until - self.after == len(commits)
        if not complete or not all(c.operation in _APPENDS or _keeps_every_key(c) for c in commits):
            return None
        return sum(commit.rows_written for commit in commits if commit.operation in _APPENDS)

    def current_rows(self, key: Sequence[str]) -> DataFrame:
        """Return the rows to compute: those that changed, and those whose lookup changed, each as it is now."""
        if self.reads_everything:
            return self.everything()
        pieces = [] if self.reads_nothing else [self._newest(key)]
        pieces += [self.rows_of(lookup) for lookup in self.moved_lookups()]
        if not pieces:
            return self.everything().where("false")
        if len(pieces) == 1:
            return pieces[0]
        return reduce(lambda left, right: left.unionByName(right), pieces).dropDuplicates(list(key))

    def touched(self, *columns: Column) -> DataFrame:
        """Return the different values of columns in all rows to look at: changed ones before and after, and gone ones.

        Args:
            columns: Columns of the table read, or computed from them.
        """
        pieces = [] if self.reads_nothing else [self.changes()]
        pieces += [self.rows_of(lookup) for lookup in self.moved_lookups()]
        chosen = [piece.select(*columns) for piece in pieces or [self.everything().where("false")]]
        return reduce(lambda left, right: left.union(right), chosen).distinct()

    def moved_lookups(self) -> tuple[Lookup, ...]:
        """Return the lookups that changed since the last run and say which rows this concerns."""
        return tuple(
            lookup
            for lookup in as_lookups(self.node.lookups)
            if lookup.columns and self._seen(lookup) < self.versions[lookup.table]
        )

    def rows_of(self, lookup: Lookup, among: DataFrame | None = None) -> DataFrame:
        """Return the rows that share a value with a changed row of a lookup, NULL being a value too.

        Args:
            lookup: It has moved.
            among: Rows of the table read, in the lookup's types; as they are stored by default.
        """
        if not lookup.columns:
            raise ValueError(f"{lookup.table} has no column to find rows by")
        identifier = self.lakehouse.identifier(lookup.table)
        feed = changed_rows(self.lakehouse.spark, identifier, self._seen(lookup), self.versions[lookup.table])
        return rows_with(self.everything() if among is None else among, feed, lookup.columns)

    def _seen(self, lookup: Lookup) -> int:
        return self.position.sources.get(lookup.table, -1)

    def keeps_every_key(self) -> bool:
        """Say whether no key of the table read can be gone since the last run.

        Silver only grows in a run, so that keys go only when somebody deletes, restores or refreshes it.
        """
        if self.reads_nothing:
            return True
        return all(_keeps_every_key(commit) for commit in self.lakehouse.commits_since(self.node.reads, self.after))

    def _newest(self, key: Sequence[str]) -> DataFrame:
        """Keep the last image of each changed key; a key whose last change is a delete drops out."""
        return self._last_images(key).where("_change_type <> 'delete'").drop(*CHANGE_COLUMNS)

    def _last_images(self, key: Sequence[str]) -> DataFrame:
        # A table written anew has both a delete and an insert of a key in one version, and the insert is what is left.
        newest = Window.partitionBy(*key).orderBy(F.col("_commit_version").desc(), F.col("_change_type").desc())
        images = self.changes().where("_change_type <> 'update_preimage'")
        return images.withColumn("_rank", F.row_number().over(newest)).where("_rank = 1").drop("_rank")


def _keeps_every_key(commit: Commit) -> bool:
    if commit.operation == "MERGE":
        return not commit.metrics.get("numTargetRowsDeleted", 0)
    return commit.operation in _WITHOUT_DELETES


def resumed(lakehouse: Lakehouse, position: Position) -> Position:
    """Return how far a table without a key has read according to its own commits.

    Its rows are appended, and a second look at the same source rows would double them. So each commit notes what it
    was made from, and a run that died between the commit and the note of progress is continued from there.
    """
    if position.version < 0:
        return position
    for commit in lakehouse.commits_since(position.table, position.version):
        if commit.operation == "RESTORE":
            break
        if commit.note and '"read"' in commit.note:
            sources = json.loads(commit.note)["read"]
            return replace(position, sources={**position.sources, **sources}, version=commit.version)
    return position


def plan_increment(
    lakehouse: Lakehouse, node: Silver | Gold, position: Position, *, full_refresh: bool = False
) -> Increment:
    """Look at the sources' versions and decide what a table must read."""
    versions = {table: lakehouse.version(table) for table in dict.fromkeys(node.inputs)}
    if isinstance(node, Silver) and not lakehouse.contract(node.table).key:
        position = resumed(lakehouse, position)
    identities = _identities(lakehouse, (*versions, node.table))
    never = not position.sources or lakehouse.version(node.table) < max(position.version, 0)
    rewound = any(versions.get(table, -1) < version for table, version in position.sources.items())
    # Under the name of what was read or written there may be another table now, with any number of versions.
    remade = any(identities.get(table) != identity for table, identity in position.identities.items())
    increment = Increment(lakehouse, node, position, versions, full_refresh or never or rewound or remade, identities)
    if not increment.nothing_new:
        for table in versions:
            lakehouse.exists(table)  # so that its name can be used in SQL
    return increment


def _identities(lakehouse: Lakehouse, tables: Sequence[str]) -> dict[str, str]:
    found = {table: lakehouse.identity(table) for table in tables}
    return {table: identity for table, identity in found.items() if identity}
