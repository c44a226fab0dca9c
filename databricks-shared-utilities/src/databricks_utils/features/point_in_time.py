"""Which row was valid when: labels joined with the newest row that could be known at their moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from databricks_utils.data_quality.sql_text import quoted_name
from databricks_utils.errors import InputProblems, InvalidInput
from databricks_utils.features.definitions import AVAILABLE_AT, ttl_problems
from databricks_utils.features.key_types import key_problems, moment_of, moment_problems

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_FEATURE, _LABEL = 0, 1
#: Microseconds in 24 hours.
_DAY = 86_400_000_000


def as_of(
    labels: DataFrame,
    rows: DataFrame,
    *,
    timestamp: str,
    entity: Mapping[str, str],
    columns: Sequence[str],
    ttl_days: int | None = None,
    sequence_by: str | None = None,
) -> DataFrame:
    """Add to each label what was known of its entity at its moment.

    Of an entity's rows the newest counts whose `available_at` is not after the label's moment. If it is `ttl_days` old
    or older, it counts as unknown; no older row takes its place. No label is lost, none is doubled: one without a
    row, without a moment or with a NULL in its key has NULLs.

    Args:
        labels: Any rows; equal ones stay apart.
        rows: Key columns, `available_at` TIMESTAMP, and `columns`.
        timestamp: Column of the labels with their moment, TIMESTAMP, or DATE for its midnight in UTC.
        entity: Key column of the rows to column of the labels.
        columns: What is added.
        ttl_days: For how long a row is used, in days of 24 hours; None for ever.
        sequence_by: Decides between rows of one key and moment: the greatest counts. Without it, or between equal
            ones, a hash of the values decides, so that the choice does not depend on the order of rows.

    Returns:
        The columns of the labels, then `columns`.

    Raises:
        InputProblems: A key of the labels is of another kind than the rows' key, or is floating point; whole numbers of
            any width are one kind. Or a moment is no TIMESTAMP: TIMESTAMP_NTZ and texts do not name an instant. Or
            columns are missing, or there already.
        InvalidInput: `ttl_days` is no whole number of 1 or more, or a key or the moment is missing.
    """
    problems = [
        *_asked(labels, rows, entity, columns, ttl_days, sequence_by),
        *key_problems(labels, rows, entity, where="labels"),
        *moment_problems(labels, timestamp, where="labels"),
        *_moments_of_rows(rows),
    ]
    if problems:
        raise InputProblems(problems)
    both = _feature_rows(rows, list(entity), columns, sequence_by).unionByName(
        _label_rows(labels, timestamp, entity), allowMissingColumns=True
    )
    keys = [f"_key{number}" for number in range(len(entity))]
    until_here = (
        Window.partitionBy(*keys)
        .orderBy("_at", "_kind", "_sequence", "_tie")
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    joined = both.withColumn("_row", F.last("_row", ignorenulls=True).over(until_here)).where(f"_kind = {_LABEL}")
    # Counted and not added: to a moment, 24 hours are a day of the session's time zone, which may have 23 or 25.
    age = F.unix_micros("_at") - F.unix_micros(F.col(f"_row.{AVAILABLE_AT}"))
    fresh = F.lit(True) if ttl_days is None else age < ttl_days * _DAY
    own = [F.col("_label").getField(name).alias(name) for name in labels.columns]
    return joined.select(*own, *[F.when(fresh, F.col("_row").getField(name)).alias(name) for name in columns])


def _asked(
    labels: DataFrame,
    rows: DataFrame,
    entity: Mapping[str, str],
    columns: Sequence[str],
    ttl_days: int | None,
    sequence_by: str | None,
) -> list[InvalidInput]:
    """Return what cannot be asked for, whatever the types of the columns are."""
    found = ttl_problems(ttl_days, where="as_of")
    if not entity or not columns:
        hint = "Name the key's columns in entity, and in columns what is to be added"
        found.append(InvalidInput("Nothing can be joined", where="as_of", hint=hint))
    present, taken = ({name.lower() for name in frame.columns} for frame in (rows, labels))
    for name in [*columns, *([sequence_by] if sequence_by else []), AVAILABLE_AT]:
        if name.lower() not in present:
            hint = f"Columns: {', '.join(rows.columns)}"
            found.append(InvalidInput(f"The rows have no column {name!r}", where="feature rows", hint=hint))
    for name in columns:
        if name.lower() in taken:
            found.append(InvalidInput(f"The labels already have a column {name!r}", where="labels", hint="Rename it"))
    return found


def _moments_of_rows(rows: DataFrame) -> list[InvalidInput]:
    if AVAILABLE_AT not in rows.columns:
        return []
    kind = rows.schema[AVAILABLE_AT].dataType.simpleString().upper()
    if kind == "TIMESTAMP":
        return []
    hint = "Feature tables have a TIMESTAMP there; a DATE or TIMESTAMP_NTZ names no instant"
    return [InvalidInput(f"{AVAILABLE_AT!r} is {kind}", where="feature rows", hint=hint)]


def _feature_rows(rows: DataFrame, keys: Sequence[str], columns: Sequence[str], sequence_by: str | None) -> DataFrame:
    known = reduce(lambda left, right: left & right, [F.col(quoted_name(key)).isNotNull() for key in keys])
    names = [quoted_name(name) for name in columns]
    return rows.where(known & F.col(AVAILABLE_AT).isNotNull()).select(
        *_keys(keys),
        F.col(AVAILABLE_AT).alias("_at"),
        F.lit(_FEATURE).alias("_kind"),
        (F.lit(None).cast("int") if sequence_by is None else F.col(quoted_name(sequence_by))).alias("_sequence"),
        F.xxhash64(*names).alias("_tie"),
        F.struct(AVAILABLE_AT, *names).alias("_row"),
    )


def _label_rows(labels: DataFrame, timestamp: str, entity: Mapping[str, str]) -> DataFrame:
    return labels.select(
        *_keys(list(entity.values())),
        moment_of(labels, timestamp).alias("_at"),
        F.lit(_LABEL).alias("_kind"),
        F.struct(*map(quoted_name, labels.columns)).alias("_label"),
    )


def _keys(names: Sequence[str]) -> list[Column]:
    return [F.col(quoted_name(name)).alias(f"_key{number}") for number, name in enumerate(names)]
