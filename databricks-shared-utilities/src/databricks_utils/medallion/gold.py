"""Gold: tables for readers, brought up to date by key, by slice, or by member history."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.contracts import Contract, struct_type
from databricks_utils.data_quality import Summary, label, row_rules, summarise
from databricks_utils.delta import Commit, literal, merge_by_key, not_older, overwrite
from databricks_utils.errors import InvalidInput
from databricks_utils.medallion import technical
from databricks_utils.medallion.increment import Increment
from databricks_utils.medallion.kept import kept
from databricks_utils.medallion.lakehouse import Lakehouse
from databricks_utils.medallion.pipeline import Gold, Replace, Scd2, Upsert, Write
from databricks_utils.medallion.scd import CURRENT, END, START, differences, timeline
from databricks_utils.medallion.surrogate import surrogate_key, with_unknown_member
from databricks_utils.medallion.trail import entered

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Above this many touched slices a whole rewrite is cheaper than a long condition.
MOST_SLICES = 1000


#: Marks a row of a MERGE whose key left the table read.
GONE = "_gone"


@dataclass(frozen=True)
class Refreshed:
    """What a gold table's refresh did.

    Args:
        rows_written: Rows inserted or updated.
        summary: What the row rules found in the rows computed; None without rules or rows.
        one_row_per_key: Whether the write keeps keys apart once the rows computed have each key once.
        whole: Whether the rows written are all the rows of the table.
    """

    rows_written: int
    summary: Summary | None
    one_row_per_key: bool = False
    whole: bool = False

    @property
    def proved_unique(self) -> int | None:
        """Rows whose primary key is proved unique by what was counted; None when the table must be asked."""
        summary = self.summary
        if self.one_row_per_key and not self.rows_written:
            return 0
        if summary is None or not self.one_row_per_key or summary.rows_invalid:
            return None
        return summary.rows if summary.distinct_keys == summary.rows else None


def refresh(lakehouse: Lakehouse, node: Gold, increment: Increment) -> Refreshed:
    """Bring a gold table up to date in one commit.

    Args:
        lakehouse: The open lakehouse.
        node: The table's definition.
        increment: What to read.
    """
    contract = lakehouse.contract(node.table)
    entered("create the table")
    lakehouse.ensure_table(contract, technical.columns("gold"))
    entered("compute and write the rows")
    match node.write:
        case Upsert():
            return _upsert(lakehouse, node, node.write, contract, increment)
        case Replace():
            return _replace(lakehouse, node, node.write, contract, increment)
        case Scd2():
            return _history(lakehouse, node, node.write, contract, increment)


def computed(lakehouse: Lakehouse, node: Gold, rows: DataFrame) -> DataFrame:
    """Return the whole table computed from rows of the table read; nothing is written.

    Returns:
        The contract's columns in the contract's order and types.
    """
    contract = lakehouse.contract(node.table)
    if isinstance(node.write, Scd2):
        members = _periods(lakehouse, node, node.write, contract, rows)
    else:
        members = lakehouse.transformed(node, rows)
        if isinstance(node.write, Upsert):
            members = _keyed(members, node.write, contract)
    return _shaped(_with_unknown(members, node.write, contract), contract)


def _upsert(lakehouse: Lakehouse, node: Gold, write: Upsert, contract: Contract, increment: Increment) -> Refreshed:
    identifier = lakehouse.identifier(node.table)
    if increment.after < 0:
        return _written_whole(lakehouse, node, contract, increment)
    source_key = lakehouse.contract(node.reads).key

    def computed_rows(source: DataFrame) -> DataFrame:
        return _shaped(_keyed(lakehouse.transformed(node, source), write, contract), contract)

    newer = not_older(write.sequence_by) if write.sequence_by else None
    compared = [column.name for column in contract.columns if column.name not in contract.key]
    # Written and then checked: computed once for both.
    with kept(computed_rows(increment.current_rows(source_key))) as rows:
        offered, gone = rows, increment.deleted_rows(source_key)
        if gone is not None:
            # What a key that is gone was made into goes too, unless a key that is left makes the same.
            leaving = computed_rows(gone).join(rows, list(contract.key), "left_anti").dropDuplicates(list(contract.key))
            offered = rows.withColumn(GONE, F.lit(False)).unionByName(leaving.withColumn(GONE, F.lit(True)))
        commit = merge_by_key(
            lakehouse.spark,
            identifier,
            _stamped(offered),
            contract.key,
            columns=[*[column.name for column in contract.columns], *technical.names("gold")],
            compared=compared,
            update_when=newer,
            insert_when=None if gone is None else f"NOT s.{GONE}",
            delete_when=None if gone is None else f"s.{GONE}",
            folder=lakehouse.folder(node.table),
        )
        summary = _summary(lakehouse, contract, commit, rows)
    return Refreshed(commit.rows_written, summary, one_row_per_key=True)


def _replace(lakehouse: Lakehouse, node: Gold, write: Replace, contract: Contract, increment: Increment) -> Refreshed:
    touched = None if increment.after < 0 or write.by is None else _touched(lakehouse, node, write, increment)
    if touched is None:
        return _written_whole(lakehouse, node, contract, increment)
    if not touched:
        return Refreshed(0, None, one_row_per_key=True)
    values = ", ".join(touched)
    expression = write.of or f"`{write.by}`"
    rows = increment.everything().where(f"{expression} IN ({values})")
    with kept(_shaped(lakehouse.transformed(node, rows), contract)) as shaped:
        commit = overwrite(
            lakehouse.spark,
            lakehouse.identifier(node.table),
            _stamped(shaped),
            where=f"`{write.by}` IN ({values})",
            folder=lakehouse.folder(node.table),
        )
        summary = _summary(lakehouse, contract, commit, shaped)
    return Refreshed(commit.rows_written, summary, one_row_per_key=write.by in contract.key)


def _touched(lakehouse: Lakehouse, node: Gold, write: Replace, increment: Increment) -> list[str] | None:
    """Return SQL literals of the slices to recompute; None when there are too many to name."""
    expression = write.of or f"`{write.by}`"
    pieces = [increment.rows_of(lookup) for lookup in increment.moved_lookups()]
    if increment.after < increment.until:
        pieces.append(increment.changes())
    if not pieces:
        return []
    slices = [piece.select(F.expr(expression).alias("slice")) for piece in pieces]
    found = reduce(lambda left, right: left.union(right), slices).where("slice IS NOT NULL").distinct()
    rows = found.select(F.col("slice").cast("string").alias("text")).limit(MOST_SLICES + 1).collect()
    if len(rows) > MOST_SLICES:
        return None
    data_type = lakehouse.contract(node.table).column(write.by or "").data_type
    return sorted(f"CAST({literal(row.text)} AS {data_type})" for row in rows)


def _history(lakehouse: Lakehouse, node: Gold, write: Scd2, contract: Contract, increment: Increment) -> Refreshed:
    if increment.after < 0:
        return _written_whole(lakehouse, node, contract, increment)
    touched = [increment.changes(), *(increment.rows_of(lookup) for lookup in increment.moved_lookups())]
    keys = [rows.select(*write.keys) for rows in touched]
    members = reduce(lambda left, right: left.union(right), keys).distinct()
    states = increment.everything().join(members, list(write.keys), "left_semi")
    stored = lakehouse.read(node.table).join(members, list(write.keys), "left_semi")
    names = [column.name for column in contract.columns]
    with kept(_shaped(_periods(lakehouse, node, write, contract, states), contract)) as wanted:
        commit = merge_by_key(
            lakehouse.spark,
            lakehouse.identifier(node.table),
            _stamped(differences(wanted, stored, key_column=write.surrogate_key)),
            [write.surrogate_key],
            columns=[*names, *technical.names("gold")],
            compared=[name for name in names if name != write.surrogate_key],
            insert_when="NOT s._obsolete",
            delete_when="s._obsolete",
            folder=lakehouse.folder(node.table),
        )
        summary = _summary(lakehouse, contract, commit, wanted)
    merged = contract.key == (write.surrogate_key,)
    return Refreshed(commit.rows_written, summary, one_row_per_key=merged)


def _periods(lakehouse: Lakehouse, node: Gold, write: Scd2, contract: Contract, states: DataFrame) -> DataFrame:
    given = {write.surrogate_key, *write.keys, START, END, CURRENT}
    attributes = [column.name for column in contract.columns if column.name not in given]
    return timeline(
        lakehouse.transformed(node, states),
        keys=write.keys,
        sequence_by=write.sequence_by,
        attributes=attributes,
        delete_when=write.delete_when,
        key_column=write.surrogate_key,
    )


def _written_whole(lakehouse: Lakehouse, node: Gold, contract: Contract, increment: Increment) -> Refreshed:
    rows = computed(lakehouse, node, increment.everything())
    identifier, folder = lakehouse.identifier(node.table), lakehouse.folder(node.table)
    commit = overwrite(lakehouse.spark, identifier, _stamped(rows), folder=folder)
    summary = _summary(lakehouse, contract, commit, None)
    return Refreshed(commit.rows_written, summary, one_row_per_key=True, whole=True)


def _keyed(rows: DataFrame, write: Upsert, contract: Contract) -> DataFrame:
    if write.surrogate_key is None:
        return rows
    natural = [name for name in contract.key if name != write.surrogate_key] or _natural_key(contract, write)
    return rows.withColumn(write.surrogate_key, surrogate_key(*natural))


def _natural_key(contract: Contract, write: Upsert) -> list[str]:
    natural = [column.name for column in contract.columns if column.unique and column.name != write.surrogate_key]
    if not natural:
        raise InvalidInput(
            f"{contract.name} has no natural key to make {write.surrogate_key} from",
            where=str(contract.path),
            hint="Mark the natural key's column with unique: true",
        )
    return natural


def _with_unknown(rows: DataFrame, write: Write, contract: Contract) -> DataFrame:
    if isinstance(write, Replace) or not write.unknown_member or write.surrogate_key is None:
        return rows
    natural = list(write.keys) if isinstance(write, Scd2) else _natural_key(contract, write)
    return with_unknown_member(rows, write.surrogate_key, struct_type(contract), natural)


def _shaped(rows: DataFrame, contract: Contract) -> DataFrame:
    """Give the contract's columns in its order and types; a value that does not fit is an error, not a NULL."""
    return rows.select(*[F.col(column.name).cast(column.data_type).alias(column.name) for column in contract.columns])


def _stamped(rows: DataFrame) -> DataFrame:
    return rows.withColumn("_processing_timestamp", F.current_timestamp())


def _summary(lakehouse: Lakehouse, contract: Contract, commit: Commit, rows: DataFrame | None) -> Summary | None:
    """Check the rows that were written: all of the table after a whole write, the slice otherwise."""
    rules = row_rules(contract)
    if not rules or (commit.rows_written == 0 and rows is not None):
        return None
    entered("check the rows written")
    written = lakehouse.read(contract.name) if rows is None else rows
    return summarise(label(written, rules), rules, key=contract.key)
