"""Text written into SQL so that nothing in it can be read as code."""

from __future__ import annotations


def string_literal(text: str) -> str:
    """Return text as a SQL string.

    The dollar of `${` is written as an escape, because Spark replaces `${…}` by settings even inside strings.
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\u0024{")
    return f"'{escaped}'"
