"""Gold: tables for readers, brought up to date by key, by slice, or by member history."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from databricks_utils.contracts import Contract, struct_type
from databricks_utils.data_quality import Summary, label, row_rules, summarise
from databricks_utils.delta import Commit, merge_by_key, overwrite, quoted
from databricks_utils.medallion.dependence import Dependence, cast, empty, meaning_of
from databricks_utils.medallion.increment import Increment
from databricks_utils.medallion.matching import rows_with
from databricks_utils.medallion.pipeline import Gold, Replace, Scd2, Upsert, Write
from databricks_utils.medallion.scd import CURRENT, END, OBSOLETE, START, differences, timeline
from databricks_utils.medallion.silver import content_of
from databricks_utils.medallion.surrogate import UNKNOWN_KEY, natural_key, surrogate_key, with_unknown_member
from databricks_utils.pipeline import technical
from databricks_utils.pipeline.kept import kept
from databricks_utils.pipeline.lakehouse import Lakehouse
from databricks_utils.pipeline.trail import entered

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_LOG = logging.getLogger(__name__)
#: The value by which a slice is told, beside the columns of the table read.
SLICE = "_slice"


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


def refresh(lakehouse: Lakehouse, node: Gold, increment: Increment, dependence: Dependence | None = None) -> Refreshed:
    """Bring a gold table up to date in one commit.

    Args:
        lakehouse: The open lakehouse.
        node: The table's definition.
        increment: What to read.
        dependence: What rows given depend on; where it is not known, all rows are computed.
    """
    contract = lakehouse.contract(node.table)
    entered("create the table")
    lakehouse.ensure_table(contract, technical.columns("gold"))
    entered("compute and write the rows")
    part = None if increment.reads_everything else dependence
    match node.write:
        case Upsert():
            return _upsert(lakehouse, node, node.write, contract, increment, part)
        case Replace():
            return _replace(lakehouse, node, node.write, contract, increment, part)
        case Scd2():
            return _history(lakehouse, node, node.write, contract, increment, part)


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
            members = _newest(_keyed(members, node.write, contract), node.write, contract)
    return _shaped(_with_unknown(members, node.write, contract), contract)


def _upsert(
    lakehouse: Lakehouse,
    node: Gold,
    write: Upsert,
    contract: Contract,
    increment: Increment,
    dependence: Dependence | None,
) -> Refreshed:
    if dependence is None:
        return _written_whole(lakehouse, node, contract, increment)
    source = lakehouse.contract(node.reads)
    natural = natural_key(contract, write.surrogate_key)
    if not source.key or not set(source.key) <= set(natural) or not _same(dependence, source, contract, source.key):
        # Rows of other keys may give the same key, and whether one does shows in all rows alone.
        wanted = computed(lakehouse, node, increment.everything())
        return _merged(lakehouse, node, contract, wanted, lakehouse.read(node.table))
    rows = lakehouse.transformed(node, increment.current_rows(source.key))
    wanted = _shaped(_newest(_keyed(rows, write, contract), write, contract), contract)
    if set(natural) == set(source.key) and dependence.keeps_rows and increment.keeps_every_key():
        return _merged(lakehouse, node, contract, wanted, None)
    with kept(increment.touched(*[F.col(quoted(name)) for name in source.key])) as members:
        stored = rows_with(lakehouse.read(node.table), members, source.key)
        if write.unknown_member and write.surrogate_key:
            stored = stored.where(F.col(quoted(write.surrogate_key)) != UNKNOWN_KEY)
        return _merged(lakehouse, node, contract, wanted, stored)


def _replace(
    lakehouse: Lakehouse,
    node: Gold,
    write: Replace,
    contract: Contract,
    increment: Increment,
    dependence: Dependence | None,
) -> Refreshed:
    if dependence is None or write.by is None:
        return _written_whole(lakehouse, node, contract, increment)
    data_type = struct_type(contract)[write.by].dataType.simpleString()
    meaning, given = meaning_of(empty(lakehouse.spark, increment.everything().schema), write.expression)
    meaning = cast(meaning, given, data_type)
    if "#" in meaning or dependence.cast(write.by, data_type) != meaning or not dependence.stays_within([meaning]):
        return _computed_whole(lakehouse, node, contract, increment, f"that share {write.by}")
    if not contract.key:
        return _computed_whole(lakehouse, node, contract, increment, "by a key, since its contract has none")
    value = F.expr(write.expression).cast(data_type).alias(write.by)
    with kept(increment.touched(value)) as slices:
        picked = increment.everything().withColumn(SLICE, value)
        rows = rows_with(picked, slices.withColumnRenamed(write.by, SLICE), [SLICE]).drop(SLICE)
        wanted = _shaped(lakehouse.transformed(node, rows), contract)
        return _merged(lakehouse, node, contract, wanted, rows_with(lakehouse.read(node.table), slices, [write.by]))


def _history(
    lakehouse: Lakehouse,
    node: Gold,
    write: Scd2,
    contract: Contract,
    increment: Increment,
    dependence: Dependence | None,
) -> Refreshed:
    if dependence is None:
        return _written_whole(lakehouse, node, contract, increment)
    keys = [f"⟨{name}⟩" for name in write.keys]
    source = lakehouse.contract(node.reads)
    if not _same(dependence, source, contract, write.keys) or not dependence.stays_within(keys):
        return _computed_whole(lakehouse, node, contract, increment, f"that share {', '.join(write.keys)}")
    with kept(increment.touched(*[F.col(quoted(name)) for name in write.keys])) as members:
        states = rows_with(increment.everything(), members, write.keys)
        wanted = _shaped(_periods(lakehouse, node, write, contract, states), contract)
        return _merged(lakehouse, node, contract, wanted, rows_with(lakehouse.read(node.table), members, write.keys))


def _merged(
    lakehouse: Lakehouse, node: Gold, contract: Contract, wanted: DataFrame, stored: DataFrame | None
) -> Refreshed:
    """Write the rows that some members should have.

    Args:
        lakehouse: The open lakehouse.
        node: The table's definition.
        contract: The table's contract.
        wanted: The rows, one for each key.
        stored: The rows that the table has of the same members, of which those no longer wanted go; None where none can
            go.
    """
    names = [column.name for column in contract.columns]
    key = _merge_key(node, contract)
    # Written and then checked: computed once for both.
    with kept(wanted) as rows:
        commit = merge_by_key(
            lakehouse.spark,
            lakehouse.identifier(node.table),
            _stamped(rows if stored is None else differences(rows, stored, key)),
            key,
            columns=[*names, *technical.names("gold")],
            compared=[name for name in names if name not in key],
            insert_when=None if stored is None else f"NOT s.{OBSOLETE}",
            delete_when=None if stored is None else f"s.{OBSOLETE}",
            folder=lakehouse.folder(node.table),
        )
        summary = _summary(lakehouse, contract, commit, rows)
    return Refreshed(commit.rows_written, summary, one_row_per_key=set(key) == set(contract.key))


def _merge_key(node: Gold, contract: Contract) -> tuple[str, ...]:
    return (node.write.surrogate_key,) if isinstance(node.write, Scd2) else contract.key


def _same(dependence: Dependence, source: Contract, contract: Contract, names: Sequence[str]) -> bool:
    """Say whether columns hold in the table, in their type, what they hold in the table read."""
    types, read = struct_type(contract), struct_type(source)
    known = all(name in types.names and name in read.names for name in names)
    return known and dependence.passes(names) and all(types[name].dataType == read[name].dataType for name in names)


def _computed_whole(lakehouse: Lakehouse, node: Gold, contract: Contract, increment: Increment, rows: str) -> Refreshed:
    _LOG.warning(
        "%s is computed whole in each run: it does not show that its rows follow from the rows read %s",
        node.table,
        rows,
    )
    return _written_whole(lakehouse, node, contract, increment)


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
    return rows.withColumn(write.surrogate_key, surrogate_key(*natural_key(contract, write.surrogate_key)))


def _newest(rows: DataFrame, write: Upsert, contract: Contract) -> DataFrame:
    """Keep one of the rows that share a key: the greatest sequence, and of those the greatest content."""
    if write.sequence_by is None:
        return rows
    order = [F.col(quoted(write.sequence_by)).desc_nulls_last(), content_of(contract).desc()]
    ranked = Window.partitionBy(*[quoted(name) for name in natural_key(contract, write.surrogate_key)]).orderBy(*order)
    return rows.withColumn("_rank", F.row_number().over(ranked)).where("_rank = 1").drop("_rank")


def _with_unknown(rows: DataFrame, write: Write, contract: Contract) -> DataFrame:
    if isinstance(write, Replace) or not write.unknown_member or write.surrogate_key is None:
        return rows
    natural = list(write.keys) if isinstance(write, Scd2) else natural_key(contract, write.surrogate_key)
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
