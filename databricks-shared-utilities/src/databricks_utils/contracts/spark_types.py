"""Spark types from DDL text, without a session."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from databricks_utils.contracts.model import Contract
from databricks_utils.errors import InvalidInput

if TYPE_CHECKING:
    from pyspark.sql.types import DataType, StructType

#: DDL names and the classes of pyspark.sql.types they stand for.
SCALARS = {
    "STRING": "StringType",
    "BOOLEAN": "BooleanType",
    "TINYINT": "ByteType",
    "BYTE": "ByteType",
    "SMALLINT": "ShortType",
    "SHORT": "ShortType",
    "INT": "IntegerType",
    "INTEGER": "IntegerType",
    "BIGINT": "LongType",
    "LONG": "LongType",
    "FLOAT": "FloatType",
    "DOUBLE": "DoubleType",
    "DATE": "DateType",
    "TIMESTAMP": "TimestampType",
    "TIMESTAMP_NTZ": "TimestampNTZType",
    "BINARY": "BinaryType",
}
#: A field's name as SQL reads it without backticks, and not as a number.
_PLAIN = re.compile(r"(?!\d+(?:[lsyfd]|bd|e\d*)?\Z)[a-z0-9_]+", re.IGNORECASE)
#: What Delta Lake refuses in names of columns, and what SQL reads as something else than a name even inside backticks.
UNFIT = re.compile(r"[\s\x00-\x1f,;{}()=.`\[\]*]|\$\{")
DECIMAL = re.compile(r"^(?:DECIMAL|NUMERIC|DEC)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?$")
LOGICAL = {
    "string": "STRING",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}


def is_data_type(text: str) -> bool:
    """Say whether the text is a Spark type this library knows."""
    try:
        data_type(text)
    except InvalidInput:
        return False
    return True


def data_type(text: str) -> DataType:
    """Return the Spark type of a DDL text such as `DECIMAL(10,2)` or `ARRAY<STRUCT<a: INT>>`.

    Raises:
        InvalidInput: The text is no type.
    """
    from pyspark.sql import types as T

    stripped = text.strip()
    upper = stripped.upper()
    if upper in SCALARS:
        found: DataType = getattr(T, SCALARS[upper])()
        return found
    if match := DECIMAL.match(upper):
        precision, scale = int(match[1] or 10), int(match[2] or 0)
        if 1 <= precision <= 38 and scale <= precision:
            return T.DecimalType(precision, scale)
    if upper.startswith("ARRAY<") and upper.endswith(">"):
        return T.ArrayType(data_type(stripped[6:-1]))
    if upper.startswith("MAP<") and upper.endswith(">"):
        parts = list(_parts(stripped[4:-1]))
        if len(parts) == 2:
            if "MAP<" in parts[0].upper():
                raise InvalidInput(f"{text!r} is not a Spark type", hint="The keys of a MAP hold no other map")
            return T.MapType(data_type(parts[0]), data_type(parts[1]))
    if upper.startswith("STRUCT<") and upper.endswith(">") and not stripped[:-1].rstrip().endswith(","):
        found = parse_schema(stripped[7:-1])
        _check_fields(text, found.names)
        return found
    raise InvalidInput(
        f"{text!r} is not a Spark type", hint="For example STRING, BIGINT, DECIMAL(10,2), DATE, ARRAY<STRING>"
    )


def parse_schema(text: str) -> StructType:
    """Return the schema of a DDL text such as `id BIGINT, name STRING` (a colon after the name is allowed)."""
    from pyspark.sql.types import StructField, StructType

    fields = []
    for part in _parts(text):
        name, _, kind = part.replace(":", " ", 1).strip().partition(" ")
        quoted = len(name) > 2 and name[0] == name[-1] == "`"
        if not (_PLAIN.fullmatch(name) or (quoted and not UNFIT.search(name[1:-1]))):
            hint = "Take letters, digits and _ for the name of a field, or write it in backticks: `a-b`"
            raise InvalidInput(f"{text!r} is not a list of columns", hint=hint)
        fields.append(StructField(name.strip("`"), data_type(kind)))
    return StructType(fields)


def _check_fields(text: str, names: Sequence[str]) -> None:
    """Refuse a STRUCT that no table can have.

    Raises:
        InvalidInput: It has no field, or two of one name.
    """
    folded = [name.lower() for name in names]
    twice = next((name for name in names if folded.count(name.lower()) > 1), None)
    if twice or not names:
        hint = f"Its field {twice} is there twice, whatever the case of its letters" if twice else "Give it a field"
        raise InvalidInput(f"{text!r} is not a Spark type", hint=hint)


def struct_type(contract: Contract) -> StructType:
    """Return a contract's columns as a schema; all nullable, since rules and not Spark say what is missing."""
    from pyspark.sql.types import StructField, StructType

    return StructType([StructField(column.name, data_type(column.data_type)) for column in contract.columns])


def _parts(text: str) -> Iterator[str]:
    """Split at commas that stand outside brackets."""
    depth, start = 0, 0
    for position, character in enumerate(text):
        if character in "<(":
            depth += 1
        elif character in ">)":
            depth -= 1
        elif character == "," and depth == 0:
            yield text[start:position]
            start = position + 1
    if text[start:].strip():
        yield text[start:]
