"""Small frames and tables written as text, so that a test shows its data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from databricks_utils.errors import InvalidInput

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_COLUMN = re.compile(r"`?(?P<name>\w+)`?(?:\s*:\s*|\s+)(?P<type>\S.*)")
_NOT_NULL = re.compile(r"\s+NOT\s+NULL$", re.IGNORECASE)
_NESTED = ("array", "map", "struct")


def frame(spark: SparkSession, text: str, schema: str) -> DataFrame:
    """Return a frame of a table written as text.

    Args:
        spark: Any session.
        text: A Markdown table: a header of column names, then rows. An empty cell or `null` is NULL, `""`
            the empty string; arrays, maps and structs are JSON. A line of dashes is skipped. Every column
            may hold NULL: a NOT NULL in the schema is accepted, so that a table's own DDL can be given.
        schema: Spark DDL of the columns, as in `household_id BIGINT, price DECIMAL(10,2)`.

    Raises:
        InvalidInput: Header and schema differ, or a row has another number of cells.
    """
    types = column_types(schema)
    header, *rows = _cells(text)
    if header != list(types):
        raise InvalidInput(
            f"The table's header is {', '.join(header)} and the schema has {', '.join(types)}",
            where="text of the frame",
            hint="Name the same columns in the same order",
        )
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            cells = " | ".join(row)
            raise InvalidInput(f"Row {number} has {len(row)} cells, expected {len(header)}", where=cells)
    return spark.sql(_query(types, rows))


def column_types(schema: str) -> dict[str, str]:
    """Return name and type of each column of a DDL schema, in order.

    Raises:
        InvalidInput: A column has no type.
    """
    types: dict[str, str] = {}
    for part in _split_columns(schema):
        match = _COLUMN.fullmatch(part)
        if match is None:
            raise InvalidInput(f"Column {part!r} has no type", where=schema, hint="Write: id BIGINT")
        types[match["name"]] = match["type"]
    return types


class TableFactory:
    """Makes small Delta tables from text and drops them again.

    Args:
        spark: Any session.
    """

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._made: list[str] = []

    def __call__(self, identifier: str, text: str, schema: str) -> str:
        """Write the table and return its identifier; arguments after the first as in `frame`."""
        frame(self._spark, text, schema).write.format("delta").mode("overwrite").saveAsTable(identifier)
        self._made.append(identifier)
        return identifier

    def drop_all(self) -> None:
        """Drop every table made so far."""
        for identifier in self._made:
            self._spark.sql(f"DROP TABLE IF EXISTS {identifier}")
        self._made.clear()


def _split_columns(schema: str) -> list[str]:
    """Split at the commas outside brackets."""
    parts, depth = [""], 0
    for character in " ".join(schema.split()):
        depth += (character in "<(") - (character in ">)")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _cells(text: str) -> list[list[str]]:
    lines = [line.strip().strip("|") for line in text.strip().splitlines() if line.strip()]
    table = [[cell.strip() for cell in line.split("|")] for line in lines if line.strip("-:| ")]
    if not table:
        raise InvalidInput("The text holds no table", hint="Start with a header: | id | name |")
    return table


def _query(types: dict[str, str], rows: list[list[str]]) -> str:
    # Literals instead of createDataFrame: faster, and the same in classic and Connect.
    columns = ", ".join(_column(f"c{index}", name, kind) for index, (name, kind) in enumerate(types.items()))
    names = ", ".join(f"c{index}" for index in range(len(types)))
    values = ", ".join(f"({', '.join(map(_literal, row))})" for row in rows or [["null"] * len(types)])
    return f"SELECT {columns} FROM VALUES {values} AS text({names})" + ("" if rows else " WHERE false")


def _column(source: str, name: str, data_type: str) -> str:
    kind = _NOT_NULL.sub("", data_type)
    nested = kind.lower().startswith(_NESTED)
    value = f"from_json({source}, '{kind}', map('mode', 'FAILFAST'))" if nested else f"CAST({source} AS {kind})"
    # A CASE without ELSE is nullable whatever its literals are, so the schema does not depend on the rows.
    return f"CASE WHEN {source} IS NOT NULL THEN {value} END AS `{name}`"


def _literal(cell: str) -> str:
    if cell == "" or cell.lower() == "null":
        return "CAST(NULL AS STRING)"
    if cell == '""':
        return "''"
    return "'" + cell.replace("\\", "\\\\").replace("'", "\\'") + "'"
