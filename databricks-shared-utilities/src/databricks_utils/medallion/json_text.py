"""JSON objects from text: every value as it was written, and nothing behind the object is passed over.

Spark's `from_json` gives a number as text only after it has been a double (10000000.01 becomes 1.000000001E7), writes
nested values anew, stops reading at the end of the first value of a text, and takes single quotes and NaN. So numbers
and nested values become JSON strings of their own text before Spark reads them, and the text is read as the one element
of an array, which ends where the text ends. Files and streams read their objects here, so that both agree.

Source: RFC 8259. The patterns are possessive, so that Java needs neither a second try nor a deep stack for a long text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING

import pyspark
from pyspark.sql import functions as F

from databricks_utils.data_quality.sql_text import quoted_name
from databricks_utils.medallion.rescued import others_as_object
from databricks_utils.sql_literal import string_literal

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

#: What a reader of UTF-8 puts in the place of bytes that are none (U+FFFD).
REPLACED = "\ufffd"
_KNOWS_UTF8 = int(pyspark.__version__.partition(".")[0]) >= 4
_BLANKS = string_literal(" \t\r\n")
_BLANK = r"[ \t\r\n]"
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
# Each match begins where the one before ended, so that a text is looked at once. Where none fits, something stands that
# is no JSON, and the parser refuses it.
_TO_A_NUMBER = rf'(?s)\G((?:[^"0-9\-]++|{_STRING})*+)({_NUMBER})(?=[\s,}}\]])'
#: How deep values may be nested: a pattern cannot count.
DEEPEST = 100
_PLAIN = rf'[^"{{}}\[\]]++|{_STRING}'
_FLATTEST = rf"[{{\[](?:{_PLAIN})*+[}}\]]"
_NESTED = reduce(lambda inner, _: rf"[{{\[](?:{_PLAIN}|{inner})*+[}}\]]", range(DEEPEST - 1), _FLATTEST)
_BEFORE = rf"{_BLANK}*+[{{,]{_BLANK}*+{_STRING}{_BLANK}*+:{_BLANK}*+"
_VALUE = rf'(?:{_STRING}|[^"{{}}\[\],]++|{_NESTED})'
_ENTRY = rf"(?s)\G({_BEFORE})({_VALUE})"
#: Only where there are keys that no column expects as they are spelled.
_FOLDED_KEYS = (
    "CASE WHEN size(_keys) > size(array_remove(_exact, 0)) "
    f"THEN transform(_keys, key -> lower(trim(BOTH {_BLANKS} FROM key))) END"
)
#: An escape, but not half of a pair of surrogates without the other half, which no text can hold.
_WHOLE_ESCAPE = r"(?s)\\(?:[^u]|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
_SURROGATE = r"\\u[dD][89a-fA-F]"
_STRICT = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false", "maxNumLen": str(2**31 - 1)}


def readable(text: Column) -> Column:
    """Return a text with marks (U+FFFD) in the place of bytes that are no UTF-8.

    Spark casts bytes to text as they are, and other readers of the table then refuse all of it.
    """
    # With an empty match Spark builds the text anew.
    return F.make_valid_utf8(text) if _KNOWS_UTF8 else F.regexp_replace(text, r"\A", "")


def garbled(columns: Sequence[str]) -> Column:
    """Return the condition that a text has a mark in the place of a letter in one of the columns."""
    # As text, since Connect cannot send a condition as deep as a table is wide.
    marked = (f"coalesce(contains({quoted_name(name)}, {string_literal(REPLACED)}), false)" for name in columns)
    return F.expr(" OR ".join(marked) or "false")


def with_object_fields(rows: DataFrame, text: str, keys: Mapping[str, str]) -> DataFrame:
    """Add the values of a JSON object as columns.

    A key belongs to a column that expects it, or else to one that expects it in other case or without blanks around it.
    Of several that belong to a column the last one counts, as with most readers of JSON.

    Args:
        rows: Any rows.
        text: Their STRING column with one object each.
        keys: The key that each new column expects.

    Returns:
        The rows with the new columns and some of no interest. The new ones are STRING: what is in a string, and of
        every other value the text itself, no digit or blank of it changed; NULL for null and for a key that is not
        there. `_rescued_data` STRING is a JSON object of the values that no column has, or NULL. `_corrupt_record`
        STRING is the text where it is anything but one object, else NULL.
    """
    # One step after the other, so that nothing is computed twice.
    sliced = rows.withColumn("_slices", _slices(F.col(text)))
    read = sliced.withColumn("_objects", _objects(F.regexp_replace(_flat(F.col(text)), _TO_A_NUMBER, '$1"$2"')))
    one = F.when((F.size("_objects") == 1) & _is_unicode(F.col(text)), F.col("_objects")[0])
    # Reversed, since of an array the first of its kind is found, and of an object the last one counts.
    entries = read.withColumns({"_keys": F.reverse(F.map_keys(one)), "_values": F.reverse(F.map_values(one))})
    exact = ", ".join(f"CAST(array_position(_keys, {string_literal(key)}) AS INT)" for key in keys.values())
    placed = entries.withColumn("_exact", F.expr(f"array({exact})")).withColumn("_folded", F.expr(_FOLDED_KEYS))
    alike = ", ".join(_alike(number, key) for number, key in enumerate(keys.values()))
    found = placed.withColumn("_found", F.expr(f"CASE WHEN _folded IS NULL THEN _exact ELSE array({alike}) END"))
    values = {name: F.expr(f"get(_values, _found[{number}] - 1)") for number, name in enumerate(keys)}
    corrupt = F.when(F.col("_keys").isNull(), readable(F.coalesce(F.col(text), F.lit(""))))
    told = {"_rescued_data": F.expr(_others()), "_corrupt_record": corrupt}
    # What was needed on the way is not dropped, since that makes Spark look the frame up, too early for a declared one.
    return found.withColumns({**values, **told})


def _slices(text: Column) -> Column:
    """Return the entries of an object that may have nested values, else NULL.

    Returns:
        STRUCT of two ARRAY<STRING>: `begins`, of each entry what stands before its value, and `values`. Together with a
        last brace they are the text, or it is no object.
    """
    more = text.substr(F.instr(text, "{") + 1, F.length(text)).contains("{")
    begins, values = (F.regexp_extract_all(text, F.lit(_ENTRY), F.lit(group)) for group in (1, 2))
    return F.when(
        text.contains("[") | text.contains("]") | more, F.struct(begins.alias("begins"), values.alias("values"))
    )


def _flat(text: Column) -> Column:
    """Return an object in which nested objects and arrays are strings; NULL where they show that it is none."""

    def entry(begin: Column, value: Column) -> Column:
        return F.concat(begin, F.when(value.rlike(r"\A[{\[]"), _as_string(value)).otherwise(value))

    begins, values = F.col("_slices.begins"), F.col("_slices.values")
    length = F.length(F.array_join(begins, "")) + F.length(F.array_join(values, ""))
    whole = text.substr(length + 1, F.length(text)).rlike(rf"\A{_BLANK}*+\}}{_BLANK}*+\z")
    strings = F.concat(F.array_join(F.zip_with(begins, values, entry), ""), F.lit("}"))
    # Without brackets in it, a text ends where the array around it ends.
    flat = F.when(F.col("_slices").isNull(), text)
    return flat.when(whole & (F.size(_objects(text)) == 1), strings)


def _is_unicode(text: Column) -> Column:
    halves = F.regexp_replace(text, _WHOLE_ESCAPE, "").rlike(_SURROGATE)
    return F.when(text.contains("\\u"), ~halves).otherwise(True)


def _as_string(value: Column) -> Column:
    """Return a nested value as the JSON string of its text."""
    text = value
    for sign, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = F.replace(text, F.lit(sign), F.lit(escape))
    return F.concat(F.lit('"'), text, F.lit('"'))


def _objects(text: Column) -> Column:
    return F.from_json(F.concat(F.lit("["), text, F.lit("]")), "array<map<string,string>>", _STRICT)


def _alike(number: int, key: str) -> str:
    """Return SQL for the place of a key that is spelled otherwise, where none is spelled like it."""
    folded = f"lower(trim(BOTH {_BLANKS} FROM {string_literal(key)}))"
    return (
        f"CASE WHEN _exact[{number}] > 0 THEN _exact[{number}] ELSE CAST(array_position(_folded, {folded}) AS INT) END"
    )


def _others() -> str:
    """Return SQL for the entries that no column has; most objects have none, which is seen without looking at them."""
    others = others_as_object("sequence(size(_keys), 1)", "true", "_keys[place - 1]", "_values[place - 1]")
    return f"CASE WHEN size(_keys) > size(array_remove(_found, 0)) THEN {others} END"
