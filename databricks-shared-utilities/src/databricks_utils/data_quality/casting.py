"""Received rows in the types of a contract; a value that would not survive is recorded, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.contracts import Column, Contract, data_type
from databricks_utils.data_quality.analysis import visible_schema
from databricks_utils.data_quality.sql_text import joined, quoted_name
from databricks_utils.data_quality.text_cast import INTEGERS, from_text, is_blank
from databricks_utils.errors import InvalidInput
from databricks_utils.sql_literal import string_literal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType


def cast_to_contract(df: DataFrame, contract: Contract, *, available: Sequence[str] | None = None) -> DataFrame:
    """Give received columns the names and types of a contract.

    A column of the contract is cast from the one column its contract names, or from the one of its own name.
    Left alone, for the transformation to make, are columns with a `transformLogic` and columns whose source
    is not there. A received column that goes by a new name now is dropped unless another column is made from
    it too; all others stay, technical ones and unknown ones alike.

    Args:
        df: Received rows, of any types; which forms of text are accepted is said in `text_cast`.
        contract: The wanted table.
        available: Names of the received columns. With it the schema need not be known, as inside a
            declarative pipeline, where every column is then taken for text.

    Returns:
        As many rows, with the typed columns and `_cast_errors` ARRAY<STRING>: one entry such as
        `quantity: not an INT` for each value that was there, was not blank, and is NULL now.

    Raises:
        InvalidInput: A column's type cannot be reached from what was received.
    """
    schema = visible_schema(df)
    names = tuple(available) if available is not None else tuple(schema.names if schema else df.columns)
    casts = [
        _Cast(column, source, _value(column, source, schema, str(contract.path)))
        for column in contract.columns
        if (source := cast_source(column)) and source in names
    ]
    typed = {cast.column.name: F.expr(cast.value) for cast in casts}
    problems = [cast.problem for cast in casts if cast.can_fail]
    cast = df.withColumns({**typed, "_cast_errors": F.expr(joined(problems))})
    # Dropping makes Spark look the frame up, which it cannot while a pipeline is declared; there the columns stay.
    return cast if schema is None else cast.drop(*_renamed(contract, [item.source for item in casts]))


def columns_after_cast(contract: Contract, received: Mapping[str, str]) -> dict[str, str]:
    """Return the columns that `cast_to_contract` gives and their types, by the types of the columns received."""
    cast = [column for column in contract.columns if cast_source(column) in received]
    gone = _renamed(contract, [str(cast_source(column)) for column in cast])
    left = {name: kind for name, kind in received.items() if name not in gone}
    return left | {column.name: column.data_type for column in cast}


@dataclass(frozen=True)
class _Cast:
    column: Column
    source: str
    value: str

    @property
    def can_fail(self) -> bool:
        return self.value != quoted_name(self.source) and self.column.data_type.upper() != "STRING"

    @property
    def problem(self) -> str:
        # In this order the blank is looked for only where there is no value, which is rare.
        entry = string_literal(cast_problem(self.column))
        blank = is_blank(quoted_name(self.source))
        return f"CASE WHEN {self.value} IS NOT NULL THEN NULL WHEN NOT {blank} THEN {entry} END"


def cast_source(column: Column) -> str | None:
    """Return the received column that a column is cast from; None when a transformation makes it."""
    if column.transform:
        return None
    return column.source_column or (None if column.sources else column.name)


def cast_problem(column: Column) -> str:
    """Return the entry of `_cast_errors` for a column."""
    kind = "".join(column.data_type.upper().split())
    article = "an" if kind[0] in "AEIO" else "a"
    written = f" written {column.options['format']}" if _has_format(column) else ""
    return f"{column.name}: not {article} {kind}{written}"


def _value(column: Column, source: str, schema: StructType | None, where: str) -> str:
    name = quoted_name(source)
    received = schema[source].dataType.simpleString() if schema and source in schema.names else "string"
    wanted = data_type(column.data_type).simpleString()
    if received == "string":
        return from_text(name, column, where)
    if received == wanted:
        return name
    if wanted == "string" and _family(received):
        return f"CAST({name} AS STRING)"
    if _family(received) is None or _family(received) != _family(wanted):
        raise InvalidInput(
            f"{source} was received as {received.upper()} and cannot become {column.data_type}",
            where=f"{where}, column {column.name}",
            hint="Give the column a transformLogic and build it in the table's transformation",
        )
    # What was lost on the way shows on the way back: 1.5 becomes 1, and 1 is not 1.5.
    there = f"try_cast({name} AS {wanted})"
    return f"CASE WHEN try_cast({there} AS {received}) = {name} THEN {there} END"


def _family(kind: str) -> str | None:
    """Return which types convert into each other; None for those that convert into nothing."""
    plain = kind.partition("(")[0]
    if plain in (*INTEGERS, "float", "double", "decimal", "boolean"):
        return "number"
    return "time" if plain in ("date", "timestamp", "timestamp_ntz") else None


def _renamed(contract: Contract, cast_from: Iterable[str]) -> list[str]:
    made = [column for column in contract.columns if not cast_source(column)]
    still_read = {text.rpartition(".")[2] for column in made for text in column.sources}
    kept = still_read.union(contract.column_names)
    return sorted({*cast_from} - kept)


def _has_format(column: Column) -> bool:
    return (
        data_type(column.data_type).simpleString() in ("date", "timestamp", "timestamp_ntz")
        and "format" in column.options
    )
