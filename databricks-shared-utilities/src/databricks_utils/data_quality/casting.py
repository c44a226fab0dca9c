"""From text to the contract's types, with a note for every value that does not fit."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.contracts import Column as ContractColumn
from databricks_utils.contracts import Contract

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

INTEGERS = ("TINYINT", "SMALLINT", "INT", "INTEGER", "BIGINT", "LONG")
INTEGER_TEXT = r"^[+-]?[0-9]+$"
DECIMAL_TEXT = r"^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)$"


def cast_to_contract(received: DataFrame, contract: Contract, *, available: Collection[str]) -> DataFrame:
    """Cast text columns to a contract's types under the contract's names.

    Blank text becomes NULL. A value that is no such type becomes NULL too and is named in `_cast_errors`; so is a
    decimal that would be rounded and a fraction given for a whole number, since both would lose something silently.

    Args:
        received: Columns `available`, all STRING, and any others, which are kept.
        contract: Names, types and source columns wanted.
        available: The columns of the table read.

    Returns:
        The contract's columns that have a source, in their types; the columns of `received` that are no source;
        `_cast_errors` ARRAY<STRING>, such as `quantity: not an INT`, empty when all fits.
    """
    present = {name.lower() for name in available}
    cast = [(column, source) for column in contract.columns if (source := _source(column, present))]
    typed = {column.name: _typed(column, source) for column, source in cast}
    errors = F.filter(F.array(*[_error(column, source) for column, source in cast]), lambda text: text.isNotNull())
    with_errors = received.withColumn("_cast_errors", errors if cast else F.array().cast("array<string>"))
    consumed = {source for _, source in cast} - set(typed)
    return with_errors.withColumns(typed).drop(*sorted(consumed))


def _source(column: ContractColumn, available: Collection[str]) -> str | None:
    if column.source_column and column.source_column.lower() in available:
        return column.source_column
    return column.name if column.source_column is None and column.transform is None and column.name.lower() in available else None


def _text(source: str) -> str:
    return f"nullif(trim(`{source}`), '')"


def _typed(column: ContractColumn, source: str) -> Column:
    kind = column.data_type.upper()
    if kind == "STRING":
        return F.expr(_text(source))
    return F.expr(f"CASE WHEN {_fits(column, source)} THEN try_cast({_text(source)} AS {column.data_type}) END")


def _fits(column: ContractColumn, source: str) -> str:
    kind, text = column.data_type.upper(), _text(source)
    if kind in INTEGERS:
        return f"{text} RLIKE '{INTEGER_TEXT}'"
    if kind.startswith(("DECIMAL", "NUMERIC", "DEC")):
        # Wide enough for every digit of the text, so that a difference can only come from rounding.
        wide = f"try_cast({text} AS DECIMAL(38,18))"
        return f"{text} RLIKE '{DECIMAL_TEXT}' AND {wide} = try_cast({text} AS {column.data_type}) AND {_short(text)}"
    return f"try_cast({text} AS {column.data_type}) IS NOT NULL"


def _short(text: str) -> str:
    """Refuse more than 18 digits after the point: the wide decimal above would round them away unseen."""
    return f"length(regexp_extract({text}, '[.]([0-9]*)', 1)) <= 18"


def _error(column: ContractColumn, source: str) -> Column:
    kind = column.data_type.upper()
    if kind == "STRING":
        return F.lit(None).cast("string")
    article = "an" if kind[0] in "AEIOU" else "a"
    message = f"{column.name}: not {article} {kind}".replace("'", "\\'")
    fits = f"coalesce({_fits(column, source)} AND try_cast({_text(source)} AS {column.data_type}) IS NOT NULL, false)"
    return F.expr(f"CASE WHEN {_text(source)} IS NOT NULL AND NOT {fits} THEN '{message}' END")
