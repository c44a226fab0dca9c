"""Surrogate keys as hashes: the same member has the same key in every run, with no counter to guard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.contracts import Contract
from databricks_utils.errors import InvalidInput

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import StructType

#: The member that stands for "not known (yet)"; its other columns are 'UNKNOWN' where they are text, else NULL.
UNKNOWN_KEY = -1
UNKNOWN_TEXT = "UNKNOWN"


def surrogate_key(*columns: str) -> Column:
    """Return a BIGINT key over the columns, never negative, so that it cannot meet the unknown member.

    xxhash64 skips NULLs, so (NULL, 1) and (1, NULL) would share a key; a mark for each NULL goes in first.
    With 100,000 members the chance of any two sharing a key is about 5e-10 (birthday bound over 2^63).
    """
    marks = F.concat(*[F.when(F.col(name).isNull(), F.lit("1")).otherwise(F.lit("0")) for name in columns])
    return F.xxhash64(marks, *[F.col(name) for name in columns]).bitwiseAND(F.lit(2**63 - 1))


def natural_key(contract: Contract, surrogate: str | None) -> tuple[str, ...]:
    """Return the columns that tell a contract's members apart without the surrogate key.

    Raises:
        InvalidInput: The surrogate key is the only one.
    """
    natural = tuple(name for name in contract.key if name != surrogate)
    if natural:
        return natural
    unique = tuple(column.name for column in contract.columns if column.unique and column.name != surrogate)
    if not unique:
        raise InvalidInput(
            f"{contract.name} has no natural key to make {surrogate} from",
            where=str(contract.path),
            hint="Mark the natural key's column with unique: true",
        )
    return unique


def with_unknown_member(rows: DataFrame, key: str, schema: StructType, natural_keys: Sequence[str] = ()) -> DataFrame:
    """Add the unknown member to a dimension.

    Args:
        rows: The dimension's members with all columns of `schema`.
        key: The surrogate key column.
        schema: Names and types of the contract's columns.
        natural_keys: Numeric columns of the natural key; they hold -1 too, since they may not be NULL.

    Returns:
        The rows, and one more with key -1.
    """
    member = rows.sparkSession.range(1).select(
        *[_unknown(item.name, item.dataType.simpleString(), item.name in {key, *natural_keys}) for item in schema]
    )
    return rows.unionByName(member, allowMissingColumns=True)


def _unknown(name: str, data_type: str, is_key: bool) -> Column:
    if data_type == "string":
        return F.lit(UNKNOWN_TEXT).alias(name)
    if is_key:
        return F.lit(UNKNOWN_KEY).cast(data_type).alias(name)
    if data_type == "boolean":
        return F.lit(name == "is_current").alias(name)
    if name == "effective_start_date":
        return F.lit("1900-01-01").cast(data_type).alias(name)
    return F.lit(None).cast(data_type).alias(name)
