"""Dates and times written in a contract's own format, brought into ISO form by one regular expression.

Spark's `to_timestamp` with a format behaves differently from release to release and raises in 3.5 where 4.x
gives NULL; an expression that only moves digits behaves the same everywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from databricks_utils.errors import InvalidInput

_FIELDS = {
    "yyyy": ("year", "([0-9]{4})"),
    "uuuu": ("year", "([0-9]{4})"),
    "MM": ("month", "([0-9]{2})"),
    "M": ("month", "([0-9]{1,2})"),
    "dd": ("day", "([0-9]{2})"),
    "d": ("day", "([0-9]{1,2})"),
    "HH": ("hour", "([0-9]{2})"),
    "H": ("hour", "([0-9]{1,2})"),
    "mm": ("minute", "([0-9]{2})"),
    "ss": ("second", "([0-9]{2})"),
    "XXX": ("zone", "(Z|[+-][0-9]{2}:[0-9]{2})"),
}
_TOKEN = re.compile(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letters>(?P<letter>[A-Za-z])(?P=letter)*)|(?P<other>[^A-Za-z'])")


@dataclass(frozen=True)
class DateFormat:
    """How a text becomes ISO.

    Args:
        pattern: Java pattern of the text.
        replacement: The ISO form with `$1`, `$2`, … for the parts.
    """

    pattern: str
    replacement: str


def date_format(text: str, where: str) -> DateFormat:
    """Read a format such as `dd/MM/yyyy HH:mm`.

    Args:
        text: Letters as in Java's DateTimeFormatter: yyyy, M, MM, d, dd, H, HH, mm, ss, S…, XXX; text in
            quotes.
        where: File and key, for the message.

    Raises:
        InvalidInput: The format has other letters, names a part twice, or leaves out year, month or day.
    """
    parts: dict[str, int] = {}
    pattern: list[str] = []
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise _refused(text, "has a quote that does not end", where)
        pattern.append(_part(token, parts, text, where))
        at = token.end()
    missing = [name for name in ("year", "month", "day") if name not in parts]
    if missing:
        raise _refused(text, f"leaves out {', '.join(missing)}", where)
    return DateFormat("".join(pattern), _iso(parts))


def _part(token: re.Match[str], parts: dict[str, int], text: str, where: str) -> str:
    letters = token["letters"]
    if letters is None:
        literal = token["other"] if token["quoted"] is None else token["quoted"].replace("''", "'") or "'"
        return re.sub(r"([^A-Za-z0-9 ])", r"\\\1", literal)
    fraction = ("fraction", f"([0-9]{{{len(letters)}}})") if set(letters) == {"S"} and len(letters) <= 6 else None
    found = _FIELDS.get(letters) or fraction
    if found is None:
        raise _refused(text, f"has {letters!r}", where)
    name, group = found
    if name in parts:
        raise _refused(text, f"names the {name} twice", where)
    parts[name] = len(parts) + 1
    return group


def _iso(parts: dict[str, int]) -> str:
    iso = f"${parts['year']}-${parts['month']}-${parts['day']}"
    if "hour" in parts:
        minute = f"${parts['minute']}" if "minute" in parts else "00"
        second = f"${parts['second']}" if "second" in parts else "00"
        iso += f" ${parts['hour']}:{minute}:{second}"
        iso += f".${parts['fraction']}" if "fraction" in parts else ""
        iso += f"${parts['zone']}" if "zone" in parts else ""
    return iso


def _refused(text: str, problem: str, where: str) -> InvalidInput:
    return InvalidInput(
        f"The format {text!r} {problem}",
        where=where,
        hint="Use yyyy, MM or M, dd or d, HH or H, mm, ss, S to SSSSSS, XXX, and anything else in quotes",
    )
