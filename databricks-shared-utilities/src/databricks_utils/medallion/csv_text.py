"""CSV files whose rows are not their lines: whole texts split by RFC 4180, in SQL.

Spark reads a CSV file line by line, its parts side by side, and a line break inside quotes ends the row there. With its
option `multiLine` it changes line breaks inside quotes, takes every other end of a line than the first for letters, and
lets a quote that is never closed swallow the rest of the file without a word. So files with such rows are read as one
text each and split here, which takes a task memory of a few times the file's size.

Source: RFC 4180. A field is quoted if its first letter is a quote; quotes further on in other fields are letters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.medallion.rescued import others_as_object
from databricks_utils.sql_literal import string_literal

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_QUOTED = '"[^"]*+(?:""[^"]*+)*+"'
_END = r"(?:\r\n|\r|\n)"
#: What Python takes off the ends of a text, so that both readers find the same names; and the byte order mark.
_BLANKS = r"[\s\p{Z}\x1c-\x1f\x85\ufeff]"
_IS_QUOTED = string_literal(rf"\A{_QUOTED}\z")


def with_csv_fields(texts: DataFrame, keys: Mapping[str, str], delimiter: str) -> DataFrame:
    """Split whole CSV texts into rows, and rows into columns by the names in the header.

    The header is the first record that is not blank. A name belongs to a column that expects it, whatever its case and
    the blanks around it; the first of several counts.

    Args:
        texts: `value` STRING, a file each, and `_source_file`.
        keys: The name that each new column expects.
        delimiter: One character.

    Returns:
        `_source_file`, the new columns and some of no interest. The new ones are STRING: NULL where the field is empty
        without quotes, or not there. `_rescued_data` STRING is a JSON object of the values that no column has, or NULL.
        `_corrupt_record` STRING is the record where it has more or fewer fields than the header, or letters behind a
        closing quote, else NULL.
    """
    records = F.regexp_extract_all(_text(), F.lit(rf"\G({_record(delimiter)}){_END}"), F.lit(1))
    blank = rf"\A[\x00-\x20&&[^{_sign(delimiter)}]]*+\z"
    split = texts.select("_source_file", F.filter(records, lambda record: ~record.rlike(blank)).alias("_records"))
    headed = split.withColumn("_header", F.transform(_fields(F.get("_records", F.lit(0)), delimiter), _name))
    placed = headed.withColumn("_found", F.expr(f"array({', '.join(map(_place, keys.values()))})"))
    rows = placed.withColumn("_record", F.explode(F.expr("slice(_records, 2, greatest(size(_records), 1))")))
    carried = rows.select("_source_file", "_header", "_found", "_record")
    fields = carried.withColumn("_fields", _fields(F.col("_record"), delimiter))
    read = {name: F.expr(_value(f"_found[{number}]")) for number, name in enumerate(keys)}
    told = {"_rescued_data": F.expr(_others()), "_corrupt_record": F.when(_is_damaged(), F.col("_record"))}
    return fields.withColumns({**read, **told})


def unclosed_quotes(texts: DataFrame, delimiter: str) -> DataFrame:
    """Return the texts that have a quote which is never closed.

    Returns:
        `_source_file` and `_line` INT, the line in which the record with that quote begins, from 1.
    """
    rest = F.regexp_replace(_text(), rf"\A(?:{_record(delimiter)}{_END})*+", "")
    unfinished = texts.withColumn("_rest", F.length(rest)).where("_rest > 0")
    before = F.expr("substring(value, 1, length(value) + 1 - _rest)")
    line = F.size(F.regexp_extract_all(before, F.lit(_END), F.lit(0))) + 1
    return unfinished.select("_source_file", line.alias("_line"))


def _text() -> Column:
    """Return the text without a byte order mark, and with an end of a line behind every record."""
    return F.concat(F.regexp_replace("value", r"\A\ufeff", ""), F.lit("\n"))


def _record(delimiter: str) -> str:
    return f"{_field(delimiter)}(?:{_sign(delimiter)}{_field(delimiter)})*+"


def _field(delimiter: str) -> str:
    sign = _sign(delimiter)
    # Letters behind a closing quote are no RFC 4180; the record ends where it would without the quotes.
    return rf'(?:{_QUOTED}[^{sign}\r\n]*+|(?:[^"{sign}\r\n][^{sign}\r\n]*+)?+)'


def _sign(letter: str) -> str:
    """Return a letter as a pattern takes it, inside brackets and outside."""
    return rf"\x{{{ord(letter):x}}}"


def _fields(record: Column, delimiter: str) -> Column:
    # With a delimiter behind each field, an empty last one is found, and found once.
    pattern = rf"\G({_field(delimiter)}){_sign(delimiter)}"
    return F.regexp_extract_all(F.concat(record, F.lit(delimiter)), F.lit(pattern), F.lit(1))


def _name(field: Column) -> Column:
    return F.regexp_replace(_unquoted(field), rf"\A{_BLANKS}++|{_BLANKS}++\z", "")


def _unquoted(field: Column) -> Column:
    inner = F.replace(field.substr(F.lit(2), F.length(field) - 2), F.lit('""'), F.lit('"'))
    return F.when(field.rlike(rf"\A{_QUOTED}\z"), inner).otherwise(field)


def _place(key: str) -> str:
    """Return SQL for where a name is in the header, from 1; 0 where it is not."""
    names = "transform(_header, name -> lower(name))"
    return f"CAST(array_position({names}, lower({string_literal(key.strip())})) AS INT)"


def _value(place: str) -> str:
    """Return SQL for the value of the field at a place, from 1."""
    field = f"get(_fields, {place} - 1)"
    inner = f"""replace(substring({field}, 2, length({field}) - 2), '""', '"')"""
    return f"CASE WHEN {field} = '' THEN NULL WHEN {field} RLIKE {_IS_QUOTED} THEN {inner} ELSE {field} END"


def _others() -> str:
    """Return SQL for the values that no column has, under the names that the line reader gives repeated ones."""
    name = "_header[place - 1]"
    before = f"size(filter(slice(_header, 1, place - 1), other -> lower(other) = lower({name})))"
    numbered = f"CASE {before} WHEN 0 THEN {name} ELSE concat({name}, '_', {before} + 1) END"
    unique = f"CASE {name} WHEN '' THEN concat('_column_', place) ELSE {numbered} END"
    return others_as_object("sequence(1, size(_header))", f"{_value('place')} IS NOT NULL", unique, _value("place"))


def _is_damaged() -> Column:
    loose = F.exists("_fields", lambda field: field.startswith('"') & ~field.rlike(rf"\A{_QUOTED}\z"))
    return (F.size("_fields") != F.size("_header")) | loose
