"""Silver: bronze rows typed, transformed, checked, deduplicated; bad rows in quarantine, none lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql import Window
from pyspark.sql import functions as F

from databricks_utils.contracts import Contract, data_type
from databricks_utils.data_quality import Summary, cast_to_contract, label, row_rules, summarise
from databricks_utils.delta import append, comparable, merge_by_key, not_older, overwrite, quoted
from databricks_utils.errors import RunFailed
from databricks_utils.medallion.increment import Increment
from databricks_utils.medallion.pipeline import Silver, Upsert
from databricks_utils.pipeline import technical
from databricks_utils.pipeline.flow import quarantine_of
from databricks_utils.pipeline.kept import kept
from databricks_utils.pipeline.lakehouse import Lakehouse
from databricks_utils.pipeline.trail import entered

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

CARRIED = (
    "_raw",
    "_source_file",
    "_source_system",
    "_ingestion_timestamp",
    "_batch_id",
    "_rescued_data",
    "_corrupt_record",
    "_cast_errors",
)


@dataclass(frozen=True)
class Refined:
    """What became of the rows of one run; rows_read = valid + quarantined + duplicates."""

    rows_read: int
    rows_valid: int
    rows_written: int
    rows_quarantined: int
    rows_duplicate: int
    rows_reprocessed: int
    summary: Summary


def prepare(
    bronze: DataFrame, contract: Contract, received: Sequence[str], lakehouse: Lakehouse, node: Silver
) -> DataFrame:
    """Type and transform bronze rows, and label each with what is wrong with it. Nothing is read or written here.

    Args:
        bronze: Rows of the bronze table.
        contract: The silver table's contract.
        received: The bronze contract's columns.
        lakehouse: Gives lookups and parameters to the transformation.
        node: The table's definition.

    Returns:
        The contract's columns, `_raw` STRING (the row as received, of bad rows only), the carried technical columns,
        `_validation_errors` and `_validation_warnings` ARRAY<STRING>, `_is_valid` BOOLEAN; as many rows as came in.
    """
    return _checked(typed(bronze, contract, received), contract, lakehouse, node)


def _checked(rows: DataFrame, contract: Contract, lakehouse: Lakehouse, node: Silver) -> DataFrame:
    transformed = lakehouse.transformed(node, rows)
    marked = transformed.withColumn("_malformed", F.col("_corrupt_record").isNotNull())
    # Rows are kept for several statements: what only the quarantine wants is not kept of the many that are good.
    received_text = F.when(~F.col("_is_valid"), F.to_json("_raw", {"ignoreNullFields": "false"}))
    return label(marked, row_rules(contract)).select(
        *[column.name for column in contract.columns],
        received_text.alias("_raw"),
        *CARRIED[1:-1],
        "_validation_errors",
        "_validation_warnings",
        "_is_valid",
    )


def typed(bronze: DataFrame, contract: Contract, received: Sequence[str]) -> DataFrame:
    """Return bronze rows as a transformation is given them: in the contract's types, with `_raw` as received."""
    raw = bronze.withColumn("_raw", F.struct(*[F.col(name) for name in received]))
    return cast_to_contract(raw, contract, available=received)


def refine(lakehouse: Lakehouse, node: Silver, increment: Increment) -> Refined:
    """Bring a silver table and its quarantine up to date.

    Args:
        lakehouse: The open lakehouse.
        node: The table's definition.
        increment: What to read.

    Returns:
        The counts of this run.

    Raises:
        RunFailed: The transformation dropped columns it must carry, or the rows do not balance.
    """
    contract = lakehouse.contract(node.table)
    rules = row_rules(contract)
    received = tuple(column.name for column in lakehouse.contract(node.reads).columns)
    entered("create the table")
    created = _ensure_tables(lakehouse, contract)
    entered("transform and check the rows")
    labelled = _checked_columns(node, lambda: prepare(increment.new_rows(), contract, received, lakehouse, node))
    with kept(labelled) as rows:
        summary = summarise(rows, rules, key=contract.key)
        entered("write the quarantine")
        quarantined = _quarantine(lakehouse, contract, increment, rows, summary, created)
        entered("write the rows")
        unique = rows.where("_is_valid")
        # Sorting all rows by key costs more than everything else, and only repetitions need it.
        if summary.distinct_keys < summary.rows_valid:
            unique = newest_by_key(unique, contract, node.write.sequence_by)
        written, known = _write(lakehouse, contract, node.write, increment, unique, summary.distinct_keys)
    entered("compute the rows of changed lookups again")
    reprocessed = _reprocess(lakehouse, contract, node, increment, received)
    entered("compare the counts")
    read = _rows_in(increment, summary)
    repeated = summary.rows_valid - summary.distinct_keys
    refined = Refined(read, written, written + reprocessed, quarantined, repeated + known, reprocessed, summary)
    _balance(node, refined, summary, written + known)
    return refined


def newest_by_key(rows: DataFrame, contract: Contract, sequence_by: str | None) -> DataFrame:
    """Keep one row for each key: the greatest sequence, then the last received, then the greatest content.

    Args:
        rows: Valid rows: the contract's columns, `_ingestion_timestamp`, `_source_file`.
        contract: Names the key; without one every row stays.
        sequence_by: Column that orders versions of a row, or None.
    """
    if not contract.key:
        return rows
    sequence = [F.col(sequence_by).desc_nulls_last()] if sequence_by else []
    order = [
        *sequence,
        F.col("_ingestion_timestamp").desc_nulls_last(),
        F.col("_source_file").desc(),
        content_of(contract).desc(),
    ]
    ranked = Window.partitionBy(*contract.key).orderBy(*order)
    return rows.withColumn("_rank", F.row_number().over(ranked)).where("_rank = 1")


def content_of(contract: Contract) -> Column:
    """Return a hash of a contract's columns, the same for equal values."""
    values = [comparable(quoted(column.name), data_type(column.data_type)) for column in contract.columns]
    return F.expr(f"xxhash64({', '.join(values)})")


def accepted(unique: DataFrame, contract: Contract) -> DataFrame:
    """Return labelled rows as the silver table stores them."""
    stamped = unique.withColumn("_processing_timestamp", F.current_timestamp())
    return stamped.select(*columns_of(contract))


def columns_of(contract: Contract) -> list[str]:
    """Return the columns of a silver table in their order."""
    return [*[column.name for column in contract.columns], *technical.names("silver")]


def rejected(rows: DataFrame, source_version: int | None) -> DataFrame:
    """Return the bad ones of labelled rows as the quarantine stores them: as received, with the reasons."""
    columns = {
        "record": F.col("_raw"),
        "_source_version": F.lit(source_version).cast("bigint"),
        "_processing_timestamp": F.current_timestamp(),
    }
    return rows.where("NOT _is_valid").withColumns(columns).select(*technical.names("quarantine"))


def _ensure_tables(lakehouse: Lakehouse, contract: Contract) -> bool:
    """Create what is missing, and say whether the quarantine was."""
    lakehouse.ensure_table(contract, technical.columns("silver"))
    quarantine = quarantine_of(contract.name)
    return lakehouse.ensure_columns(quarantine, technical.columns("quarantine"))


def _quarantine(
    lakehouse: Lakehouse, contract: Contract, increment: Increment, rows: DataFrame, summary: Summary, created: bool
) -> int:
    """Put bad rows aside as they were received, each with its reasons."""
    quarantine = quarantine_of(contract.name)
    identifier, folder = lakehouse.identifier(quarantine), lakehouse.folder(quarantine)
    first = increment.reads_everything
    if summary.rows_invalid == 0 and (created or not first):
        return 0
    bad = rejected(rows, increment.until)
    before = lakehouse.version(quarantine)
    if first:
        overwrite(lakehouse.spark, identifier, bad, folder=folder)
    else:
        stale = f"_source_version > {increment.after}"
        overwrite(lakehouse.spark, identifier, bad, where=stale, folder=folder)
    return sum(commit.rows_written for commit in lakehouse.commits_since(quarantine, before))


def _write(
    lakehouse: Lakehouse,
    contract: Contract,
    write: Upsert,
    increment: Increment,
    unique: DataFrame,
    offered: int,
) -> tuple[int, int]:
    """Write valid rows; return how many were inserted or updated, and how many were known already."""
    identifier, folder = lakehouse.identifier(contract.name), lakehouse.folder(contract.name)
    rows = accepted(unique, contract)
    if increment.reads_everything:
        return overwrite(lakehouse.spark, identifier, rows, note=increment.note, folder=folder).rows_written, 0
    if not contract.key:
        return append(lakehouse.spark, identifier, rows, note=increment.note, folder=folder).rows_written, 0
    compared = [column.name for column in contract.columns if column.name not in contract.key]
    newer = not_older(write.sequence_by) if write.sequence_by else None
    commit = merge_by_key(
        lakehouse.spark,
        identifier,
        rows,
        contract.key,
        columns=columns_of(contract),
        compared=compared,
        update_when=newer,
        folder=folder,
    )
    # A MERGE that changes nothing makes no commit; then all that was offered was known already.
    return commit.rows_written, commit.metrics.get("numSourceRows", offered) - commit.rows_written


def _reprocess(
    lakehouse: Lakehouse, contract: Contract, node: Silver, increment: Increment, received: Sequence[str]
) -> int:
    """Compute stored rows again whose lookup changed; rows in quarantine stay there."""
    if increment.reads_everything or not increment.moved_lookups() or not contract.key:
        return 0
    # The lookup concerns perhaps only an older version of a row, which must not replace the one stored.
    sequence = [node.write.sequence_by] if node.write.sequence_by else []
    order = [*sequence, "_ingestion_timestamp", "_source_file"]
    columns = [column.name for column in contract.columns]
    written = [*columns, "_validation_warnings"]
    total = 0
    for lookup in increment.moved_lookups():
        # Values are compared in their types: as received, 7 may be written 07.
        found = increment.rows_of(lookup, typed(increment.everything(), contract, received))
        labelled = _checked(found, contract, lakehouse, node)
        unique = newest_by_key(labelled.where("_is_valid"), contract, node.write.sequence_by)
        total += merge_by_key(
            lakehouse.spark,
            lakehouse.identifier(contract.name),
            unique.select(*dict.fromkeys([*written, *order]), F.current_timestamp().alias("_processing_timestamp")),
            contract.key,
            columns=[*written, "_processing_timestamp"],
            compared=[name for name in columns if name not in contract.key],
            update_when=not_older(*order),
            insert_when="false",
            folder=lakehouse.folder(contract.name),
        ).rows_written
    return total


def _rows_in(increment: Increment, summary: Summary) -> int:
    """Count the rows read from bronze's own log, so that the balance has two independent sides."""
    appended = increment.appended_rows()
    return summary.rows if appended is None else appended


def _balance(node: Silver, refined: Refined, summary: Summary, offered: int) -> None:
    accounted = refined.rows_valid + refined.rows_quarantined + refined.rows_duplicate
    if refined.rows_read != accounted or offered != summary.distinct_keys or refined.rows_read != summary.rows:
        raise RunFailed(
            f"Rows do not balance: {refined.rows_read} read, {refined.rows_valid} valid, "
            f"{refined.rows_quarantined} quarantined, {refined.rows_duplicate} duplicates",
            where=node.table,
            hint="A transformation must return one row for each row it gets: no filter, no join that multiplies rows",
        )


def _checked_columns(node: Silver, build: Callable[[], DataFrame]) -> DataFrame:
    try:
        return build()
    except AnalysisException as error:
        raise RunFailed(
            f"The transformation does not give what the contract needs: {str(error).splitlines()[0]}",
            where=node.table,
            hint="Return every column of the contract and keep the columns that begin with _ (use withColumns)",
        ) from error
