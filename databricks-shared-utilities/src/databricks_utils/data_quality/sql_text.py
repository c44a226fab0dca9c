"""Names and values of contracts written into Spark SQL so that nothing in them can be read as code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timezone
from decimal import Decimal

from databricks_utils.errors import InvalidInput
from databricks_utils.sql_literal import string_literal

#: Stands between texts while they are one.
SEPARATOR = "\x1f"


def quoted_name(name: str) -> str:
    """Return a column name in backticks.

    Raises:
        InvalidInput: The name holds `${`, which Spark replaces by settings even inside backticks.
    """
    if "${" in name:
        raise InvalidInput(f"The column {name!r} cannot be used in SQL", hint="Rename it: Spark gives ${ a meaning")
    return f"`{name.replace('`', '``')}`"


def joined(texts: Sequence[str]) -> str:
    """Return SQL for the array of those texts that are not NULL.

    `array_compact` says the same, but the function inside it is not part of the code Spark generates, so that
    every value it reads is computed once more, and slowly.

    Args:
        texts: SQL of texts that are NULL, or not empty and without the separator.
    """
    nothing = "CAST(array() AS ARRAY<STRING>)"
    if not texts:
        return nothing
    separator = string_literal(SEPARATOR)
    together = f"concat_ws({separator}, {', '.join(texts)})"
    return f"CASE WHEN {together} = '' THEN {nothing} ELSE split({together}, {separator}) END"


def value_literal(value: object, data_type: str, where: str) -> str:
    """Return a value of a contract as a SQL literal of a column's type.

    Args:
        value: A scalar as YAML gives it.
        data_type: The column's Spark type in DDL.
        where: File and key, for the message.

    Raises:
        InvalidInput: The value cannot be one of the column's type.
    """
    kind = data_type.upper().partition("(")[0].strip()
    try:
        if kind == "STRING":
            return string_literal(_text(value))
        if kind == "BOOLEAN":
            return _boolean(value)
        if kind == "DATE":
            return f"DATE '{_date(value).isoformat()}'"
        if kind in ("TIMESTAMP", "TIMESTAMP_NTZ"):
            return _timestamp(value, kind)
        return _number(value)
    except (ValueError, ArithmeticError) as error:
        raise InvalidInput(
            f"{value!r} is not a value of type {data_type}",
            where=where,
            hint="Write a value of the column's own type",
        ) from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text must be quoted, or YAML reads a number or a truth value")
    return value


def _boolean(value: object) -> str:
    if not isinstance(value, bool):
        raise ValueError("not a truth value")
    return str(value).lower()


def _number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("not a number")
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError("not a finite number")
    return format(number, "f")


def _date(value: object) -> date:
    if isinstance(value, datetime):
        raise ValueError("a date has no time")
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def _timestamp(value: object, kind: str) -> str:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    if kind == "TIMESTAMP_NTZ":
        return f"TIMESTAMP_NTZ '{moment.replace(tzinfo=None).isoformat(sep=' ')}'"
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return f"TIMESTAMP '{moment.astimezone(timezone.utc).isoformat(sep=' ')}'"
