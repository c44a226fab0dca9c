"""How a text becomes a typed value: which forms are accepted, as SQL.

Spark's own casts take more than they should. `2017` becomes the first of January, `12:30` becomes today at
half past twelve, everything after a date is ignored, `1.005` is rounded to `1.01`, `1.5d` is a number. Here a
text is either one of the forms below, whose value survives the cast, or it is refused.

=============  ====================================================================================
integers       digits with an optional sign, within the type's range
DECIMAL(p,s)   digits with an optional sign and point; no digit that is not zero beyond the scale
FLOAT, DOUBLE  the same, with an optional exponent; finite
BOOLEAN        true, t, yes, y, 1 and false, f, no, n, 0 in any case
DATE           year-month-day, or the contract's format; a time must be midnight
TIMESTAMP      the same, then hour:minute[:second[.fraction]] after a blank or T, then Z, UTC or an offset
STRING         anything
=============  ====================================================================================

Blanks and control characters around a value do not count, and a text of them alone is NULL.

A timestamp without an offset is taken in the session's time zone, which is UTC unless the configuration sets another.
Where that zone changes its clocks, an hour that is left out is read with the offset before the change (02:30 becomes
03:30), and an hour that comes twice is the first of the two. Neither happens in UTC. Dates, and timestamps with an
offset, do not depend on the session.
"""

from __future__ import annotations

from databricks_utils.contracts import Column, data_type
from databricks_utils.data_quality.date_format import date_format
from databricks_utils.errors import InvalidInput
from databricks_utils.sql_literal import string_literal

#: What counts as blank: what Spark's own casts take off the ends of a text.
BLANK = r"[\x00-\x20]*"
INTEGERS = ("tinyint", "smallint", "int", "bigint")
_DAY = "(?!0000)[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_DATE = f"{_DAY}([T ]00:00(:00([.]0+)?)?Z?)?"
_TIME = "[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6}0*)?)?"
_ZONE = "( ?(Z|UTC|[+-][0-9]{2}:?[0-9]{2}))?"
_GUARDS = {
    "date": _DATE,
    "timestamp": f"{_DAY}([T ]{_TIME}{_ZONE})?",
    "timestamp_ntz": f"{_DAY}([T ]{_TIME})?",
    "double": "[+-]?(?=[.]?[0-9])[0-9]*[.]?[0-9]*([eE][+-]?[0-9]+)?",
}
_GUARDS["float"] = _GUARDS["double"]


def is_blank(source: str) -> str:
    """Return SQL that is true for a text of blanks alone, and NULL for NULL."""
    return f"(CAST({source} AS STRING) RLIKE {string_literal(_whole(''))})"


def from_text(source: str, column: Column, where: str) -> str:
    """Return SQL for a column's value from a text, or for NULL where it is blank or has another form.

    Args:
        source: SQL of the text.
        column: Its data type, and for dates and times its option `format`.
        where: The contract's file.

    Raises:
        InvalidInput: No text can be cast to the column's type.
    """
    kind = data_type(column.data_type).simpleString()
    if kind in ("string", "binary"):
        return f"CASE WHEN NOT {is_blank(source)} THEN CAST({source} AS {kind}) END"
    if kind == "boolean" or kind in INTEGERS:
        return f"try_cast({source} AS {kind})"
    if kind.startswith("decimal"):
        return _guarded(source, _decimal_guard(kind), kind)
    if kind in ("float", "double"):
        number = _guarded(source, _GUARDS[kind], kind)
        return f"CASE WHEN abs({number}) < double('Infinity') THEN {number} END"
    if kind in _GUARDS:
        return _guarded(_iso(source, column, where), _GUARDS[kind], kind)
    raise InvalidInput(
        f"{column.name} is {column.data_type}, which no text can be cast to",
        where=f"{where}, column {column.name}",
        hint="Give the column a transformLogic and build it in the table's transformation",
    )


def _guarded(text: str, pattern: str, kind: str) -> str:
    return f"CASE WHEN {text} RLIKE {string_literal(_whole(pattern))} THEN try_cast({text} AS {kind}) END"


def _whole(pattern: str) -> str:
    return rf"\A{BLANK}{pattern}{BLANK}\z"


def _decimal_guard(kind: str) -> str:
    scale = kind.rstrip(")").rpartition(",")[2]
    return f"[+-]?(?=[.]?[0-9])[0-9]*([.][0-9]{{0,{scale}}}0*)?"


def _iso(text: str, column: Column, where: str) -> str:
    given = column.options.get("format")
    if given is None:
        return text
    form = date_format(str(given), f"{where}, column {column.name}, logicalTypeOptions.format")
    pattern = string_literal(_whole(form.pattern))
    iso = f"regexp_replace({text}, {pattern}, {string_literal(form.replacement)})"
    return f"CASE WHEN {text} RLIKE {pattern} THEN {iso} END"
