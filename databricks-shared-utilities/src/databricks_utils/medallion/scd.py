"""Slowly changing dimensions of type 2: from states to periods.

The result depends on the set of states alone, not on the order they arrived in: late, out-of-order, repeated and
deleted states need no case of their own. Validity follows Kimball's type 2 with half-open periods
(effective_start_date <= t < effective_end_date).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from databricks_utils.data_quality.analysis import visible_schema
from databricks_utils.delta import comparable, quoted
from databricks_utils.medallion.matching import rows_without
from databricks_utils.medallion.surrogate import surrogate_key

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

START, END, CURRENT = "effective_start_date", "effective_end_date", "is_current"
#: Marks a row of a MERGE that takes its key away.
OBSOLETE = "_obsolete"


def timeline(
    states: DataFrame,
    *,
    keys: Sequence[str],
    sequence_by: str,
    attributes: Sequence[str],
    delete_when: str | None = None,
    key_column: str | None = None,
) -> DataFrame:
    """Turn the states of members into the periods in which they held.

    A period starts with a state that differs from the one before, or that follows a deletion; a state equal to the
    one before adds nothing. Of several states with the same sequence the one with the greatest content counts, column
    by column, so that the choice does not depend on row order; a deletion counts before any of them.

    Args:
        states: One row for each state received: keys, sequence, attributes and what `delete_when` names.
        keys: Natural key; rows with a NULL in it are left out.
        sequence_by: DATE or TIMESTAMP from which a state holds; rows with NULL are left out.
        attributes: Columns whose change starts a new period, compared null-safe.
        delete_when: SQL condition that marks a state as the member's end.
        key_column: Name of a surrogate key (BIGINT over keys and start) to add.

    Returns:
        Columns: [key_column], keys, attributes, effective_start_date, effective_end_date (both of the sequence's
        type; the end is exclusive and NULL for the current period), is_current BOOLEAN.
    """
    known = states.where(" AND ".join(f"`{name}` IS NOT NULL" for name in (*keys, sequence_by)))
    deleted = F.coalesce(F.expr(delete_when), F.lit(False)) if delete_when else F.lit(False)
    marked = known.select(
        *keys,
        *attributes,
        F.col(sequence_by).alias(START),
        deleted.alias("_deleted"),
        _content(states, attributes).alias("_content"),
    )
    by_time = Window.partitionBy(*keys).orderBy(START)
    boundaries = (
        _one_for_each_moment(marked, keys)
        .withColumn("_state", F.when(~F.col("_deleted"), F.col("_content")))
        .withColumn("_before", F.lag("_state").over(by_time))
        .where("NOT (_state <=> _before)")
        .withColumn(END, F.lead(START).over(by_time))
    )
    periods = boundaries.where("NOT _deleted").withColumn(CURRENT, F.col(END).isNull())
    if key_column is None:
        return periods.select(*keys, *attributes, START, END, CURRENT)
    key = surrogate_key(*keys, START).alias(key_column)
    return periods.select(key, *keys, *attributes, START, END, CURRENT)


def _one_for_each_moment(marked: DataFrame, keys: Sequence[str]) -> DataFrame:
    ranked = Window.partitionBy(*keys, START).orderBy(F.col("_deleted").desc(), F.col("_content").desc())
    return marked.withColumn("_rank", F.row_number().over(ranked)).where("_rank = 1")


def _content(states: DataFrame, attributes: Sequence[str]) -> Column:
    """Return the attributes as one value that can be compared, none of them changed on its way."""
    types = visible_schema(states)
    given = [quoted(name) if types is None else comparable(quoted(name), types[name].dataType) for name in attributes]
    return F.expr(f"struct({', '.join(['true', *given])})")


def differences(wanted: DataFrame, stored: DataFrame, key: Sequence[str]) -> DataFrame:
    """Compare the rows that members should have with those stored.

    Args:
        wanted: Rows of the touched members, one for each key.
        stored: The table's rows of the same members.
        key: Columns that both share.

    Returns:
        The wanted rows and, for stored rows that no longer hold, a row with only the key filled; `_obsolete` BOOLEAN
        tells them apart.
    """
    obsolete = rows_without(stored, wanted, key).select(*[quoted(name) for name in key]).distinct()
    return wanted.withColumn(OBSOLETE, F.lit(False)).unionByName(
        obsolete.withColumn(OBSOLETE, F.lit(True)), allowMissingColumns=True
    )
