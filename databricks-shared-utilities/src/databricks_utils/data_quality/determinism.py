"""What a rule may not say: anything whose answer can differ between two readings of the same row."""

from __future__ import annotations

import re

#: Parts of a SQL text in which words are no code: strings, quoted names, comments.
_NO_CODE = re.compile(
    r"""
    [rR]'[^']*' | [rR]"[^"]*"
    | '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*"
    | `(?:[^`]|``)*`
    | --[^\n]* | /\*.*?\*/
    """,
    re.DOTALL | re.VERBOSE,
)
#: Functions whose answer depends on more than their arguments, as alternatives of a pattern.
CALLS = (
    "current_catalog|current_database|current_schema|current_timezone|current_user|curdate|input_file_block_length|"
    "input_file_block_start|input_file_name|java_method|monotonically_increasing_id|now|rand|randn|random|randstr|"
    "reflect|session_user|shuffle|spark_partition_id|try_reflect|uniform|user|uuid"
)
#: The same for those that SQL writes without brackets too.
CLOCKS = "current_date|current_time|current_timestamp|localtimestamp"
#: Words that Spark takes for a moment where it reads a date or time: a clock inside quotes.
MOMENTS = "now|today|tomorrow|yesterday"
_MOMENT = re.compile(
    rf"""\b(?:cast|date|timestamp\w*|to_date|to_timestamp\w*|try_cast)\s*\(?\s*['"]\s*({MOMENTS})\b""", re.IGNORECASE
)
_CLOCK = re.compile(rf"\b({CLOCKS})\b", re.IGNORECASE)
_CALL = re.compile(rf"\b({CALLS})\s*\(|\b(unix_timestamp)\s*\(\s*\)", re.IGNORECASE)
_QUERY = re.compile(r"\b(select)\b", re.IGNORECASE)


def unrepeatable(predicate: str) -> str | None:
    """Return the first thing in a predicate that reads a clock, chance, the session or another table.

    Args:
        predicate: A Spark SQL expression.

    Returns:
        What was found, as written; None when the predicate depends on its row alone.
    """
    if "${" in predicate:
        # Spark puts settings and environment variables in its place, in strings too.
        return "${"
    if moment := _MOMENT.search(predicate):
        return moment[1]
    code = _NO_CODE.sub(" ", predicate)
    for forbidden in (_CLOCK, _CALL, _QUERY):
        if match := forbidden.search(code):
            return next(group for group in match.groups() if group)
    return None
