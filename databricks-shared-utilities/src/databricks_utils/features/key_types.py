"""Whether columns that are joined hold the same kind of value.

Spark joins a text with a number, and a DOUBLE with a BIGINT, by casting one of the two: '007' meets 7, and
9007199254740992.0 meets 9007199254740993. Here a cast is the caller's to write. Whole numbers of any width are one
kind, STRING and VARCHAR are one, and decimals of one scale are; everything else is equal or refused. A CHAR is padded
with blanks, and is a CHAR of that length only.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    ByteType,
    CharType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    ShortType,
    StringType,
    StructField,
    StructType,
    TimestampType,
    VarcharType,
)

from databricks_utils.contracts import Contract, data_type
from databricks_utils.data_quality.sql_text import quoted_name
from databricks_utils.errors import InputProblems, InvalidInput

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_WHOLE = (ByteType, ShortType, IntegerType, LongType)
#: Where Spark keeps that a text is of a CHAR column.
_DECLARED = "__CHAR_VARCHAR_TYPE_STRING"
_CHAR = re.compile(r"char\((\d+)\)")


def key_problems(given: DataFrame, known: DataFrame, keys: Mapping[str, str], *, where: str) -> Iterator[InvalidInput]:
    """Yield what keeps two frames from being joined by their keys.

    Args:
        given: The frame that brings its keys, such as labels.
        known: The frame that they are looked up in, such as feature rows.
        keys: Column of `known` to column of `given`; both have them.
        where: What `given` is, for the message.
    """
    for key, own in keys.items():
        yield from field_problems(_field(given, own), _field(known, key), where=where)


def contract_problems(
    given: DataFrame, contract: Contract, keys: Mapping[str, str], *, where: str
) -> Iterator[InvalidInput]:
    """Yield which columns of a frame are not of the kind that a contract declares.

    Args:
        given: The frame.
        contract: It declares the key columns.
        keys: Column of the contract to column of `given`, which may lack it.
        where: What `given` is, for the message.
    """
    for key, own in keys.items():
        if own in given.schema.names and key in contract.column_names:
            declared = StructField(key, data_type(contract.column(key).data_type))
            yield from field_problems(_field(given, own), declared, where=where)


def field_problems(given: StructField, known: StructField, *, where: str) -> Iterator[InvalidInput]:
    """Yield why a column cannot be joined with another, if it cannot."""
    for field in (given, known):
        if _holds(field.dataType, MapType):
            said = f"The key {field.name!r} is {_words(field)}; maps cannot be compared"
            yield InvalidInput(said, where=where, hint="Make a column of each entry that belongs to the key")
            return
        if _holds(field.dataType, FloatType, DoubleType):
            hint = f"Cast it to a whole number or a text where it is made: {_cast(given.name, 'BIGINT')}"
            said = f"The key {field.name!r} is {_words(field)}; floating point cannot be a key"
            yield InvalidInput(said, where=where, hint=hint)
            return
    if kind_of(given) != kind_of(known):
        target = _words(known)
        said = f"The key {given.name!r} is {_words(given)}, and {known.name!r}, which it is joined with, is {target}"
        yield InvalidInput(said, where=where, hint=f"Look at its values, then cast it: {_cast(given.name, target)}")


def moment_problems(given: DataFrame, name: str, *, where: str) -> Iterator[InvalidInput]:
    """Yield why a column is no moment of a join: TIMESTAMP is one, and DATE is its midnight in UTC."""
    field = _field(given, name)
    if not isinstance(field.dataType, TimestampType | DateType):
        said = f"The moment {name!r} is {_words(field)}, which names no instant"
        hint = f"Make it a TIMESTAMP, and say of which time zone it is: to_utc_timestamp({name}, 'Europe/Berlin')"
        yield InvalidInput(said, where=where, hint=hint)


def moment_type_problems(given: DataFrame, contract: Contract, name: str, *, where: str) -> Iterator[InvalidInput]:
    """Yield why the moments of a frame are not what its contract declares: their days would be others."""
    if name not in given.schema.names or name not in contract.column_names:
        return
    found, declared = _field(given, name).dataType, data_type(contract.column(name).data_type)
    if found != declared:
        said = f"The moment {name!r} is {found.simpleString().upper()}, and its contract says"
        hint = f"Cast it where it is made, with its time zone: {name}"
        yield InvalidInput(f"{said} {declared.simpleString().upper()}", where=where, hint=hint)


def moment_of(given: DataFrame, name: str) -> Column:
    """Return a moment as TIMESTAMP; a DATE begins at midnight in UTC, whatever the session's time zone."""
    column = F.col(quoted_name(name))
    if isinstance(_field(given, name).dataType, DateType):
        return F.timestamp_seconds(F.unix_date(column).cast("bigint") * 86_400)
    return column


def with_moment(given: DataFrame, name: str) -> DataFrame:
    """Return a frame whose moment is a TIMESTAMP."""
    is_date = isinstance(_field(given, name).dataType, DateType)
    return given.withColumn(name, moment_of(given, name)) if is_date else given


def require_same_keys(given: DataFrame, known: DataFrame, keys: Mapping[str, str], *, where: str) -> None:
    """Refuse to join two frames whose keys are of different kinds.

    Args:
        given: The frame that brings its keys.
        known: The frame that they are looked up in.
        keys: Column of `known` to column of `given`; both have them.
        where: What `given` is, for the message.

    Raises:
        InputProblems: Every key of another kind, with both types and a cast.
    """
    problems = list(key_problems(given, known, keys, where=where))
    if problems:
        raise InputProblems(problems)


def kind_of(field: StructField) -> tuple[object, ...]:
    """Return what must be equal of two columns for their values to be compared as they are."""
    kind = field.dataType
    padded = _CHAR.fullmatch(str(field.metadata.get(_DECLARED, "")))
    if isinstance(kind, CharType) or padded:
        return "char", kind.length if isinstance(kind, CharType) else int(padded[1]) if padded else 0
    if isinstance(kind, StringType | VarcharType):
        # Texts of Spark 4 may be told apart by rules of a language.
        return "text", getattr(kind, "collation", None) or "UTF8_BINARY"
    if isinstance(kind, _WHOLE):
        return ("whole number",)
    if isinstance(kind, DecimalType):
        return "decimal", kind.scale
    return (kind.simpleString(),)


def _holds(kind: DataType, *wanted: type[DataType]) -> bool:
    """Say whether a type is one of those wanted, or has one inside: a struct of a DOUBLE is no better a key."""
    if isinstance(kind, ArrayType):
        return _holds(kind.elementType, *wanted)
    if isinstance(kind, StructType):
        return any(_holds(field.dataType, *wanted) for field in kind.fields)
    return isinstance(kind, wanted)


def _field(frame: DataFrame, name: str) -> StructField:
    """Return a column's field; as in SQL, the case of its name does not count.

    Raises:
        InvalidInput: The frame has no such column, or several.
    """
    found = [field for field in frame.schema.fields if field.name.lower() == name.lower()]
    if len(found) != 1:
        close = difflib.get_close_matches(name, frame.columns, 1)
        hint = f"Did you mean {close[0]}?" if close and not found else f"Columns: {', '.join(frame.columns)}"
        raise InvalidInput(f"There is {'more than one' if found else 'no'} column {name!r}", where="join", hint=hint)
    return found[0]


def _words(field: StructField) -> str:
    kind: DataType = field.dataType
    declared = str(field.metadata.get(_DECLARED, ""))
    return declared.upper() if _CHAR.fullmatch(declared) else kind.simpleString().upper()


def _cast(name: str, target: str) -> str:
    return f'withColumn("{name}", col("{name}").cast("{target.lower()}"))'
