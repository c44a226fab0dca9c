"""One text for each value of a key, whichever library has read it.

A key is compared as text where no engine compares it as a value: in an online store, and when entities are split
between two models. numpy's 7, Python's 7 and pandas' 7 are one value there; 7, "7", True and Decimal("7") are four.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timezone
from decimal import Decimal
from functools import lru_cache
from numbers import Integral
from uuid import UUID

from databricks_utils.errors import InvalidInput

#: Greatest value of each type of whole numbers.
_GREATEST = {
    **dict.fromkeys(("TINYINT", "BYTE"), 2**7 - 1),
    **dict.fromkeys(("SMALLINT", "SHORT"), 2**15 - 1),
    **dict.fromkeys(("INT", "INTEGER"), 2**31 - 1),
    **dict.fromkeys(("BIGINT", "LONG"), 2**63 - 1),
}
_TYPE = re.compile(r"([A-Z_]+)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?(?:\s+COLLATE\s+\w+)?")
_TEXTS = ("STRING", "VARCHAR", "CHAR")
_DECIMALS = ("DECIMAL", "NUMERIC", "DEC")


def key_items(values: Sequence[object], data_types: Sequence[str] | None = None, *, where: str = "key") -> list[object]:
    """Return the values of a key as JSON has them, the same for equal values of one type.

    Whole numbers, texts and booleans are JSON's own. A DECIMAL, a date, a moment and bytes are objects that name their
    kind, so that none is taken for the text it looks like. A DECIMAL has no zeros at its end, a moment is in UTC.

    Args:
        values: Python's, numpy's or pandas' values, in the order of the key's columns.
        data_types: Declared types of the columns. With them a value of another type is refused; without them the value
            says what it is.
        where: Place for the message.

    Raises:
        InvalidInput: A value that is none of its column's type; one that no key can have: NULL, floating point, a
            moment without a time zone unless TIMESTAMP_NTZ is declared; or too many values, or too few.
    """
    if isinstance(values, str | bytes):
        raise InvalidInput(f"{values!r} is one value and no key", where=where, hint=f"Write ({values!r},)")
    given = list(values)
    if data_types is not None and len(given) != len(data_types):
        raise InvalidInput(f"{given!r} has {len(given)} values", where=where, hint=f"Give {', '.join(data_types)}")
    if data_types is None:
        return [_item(value, where) for value in given]
    return [_typed(value, data_type, where) for value, data_type in zip(given, data_types, strict=True)]


def key_text(values: Sequence[object], data_types: Sequence[str] | None = None, *, where: str = "key") -> str:
    """Return a key as text, in which (1, 12) and (11, 2) differ, and 1 from "1"; as `key_items`."""
    return json.dumps(key_items(values, data_types, where=where), separators=(",", ":"))


def python_type(data_type: str) -> str:
    """Return the name of the type that a value of a declared type has in Python."""
    kind, _, _ = _parsed(data_type)
    if kind in _GREATEST:
        return "int"
    if kind in _DECIMALS:
        return "Decimal"
    names = {"BOOLEAN": "bool", "DATE": "date", "TIMESTAMP": "datetime", "TIMESTAMP_NTZ": "datetime", "BINARY": "bytes"}
    return names.get(kind, "str")


def _typed(value: object, data_type: str, where: str) -> object:
    kind, _, scale = _parsed(data_type)
    plain = _plain(value)
    if not _fits(plain, kind, scale):
        said = f"{plain!r} ({type(value).__name__}) is no {data_type}"
        raise InvalidInput(said, where=where, hint=f"Give {python_type(data_type)}, or cast it first")
    return _item(plain, where, naive=kind == "TIMESTAMP_NTZ")


def _fits(value: object, kind: str, scale: int) -> bool:
    if kind in _GREATEST:
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return -_GREATEST[kind] - 1 <= value <= _GREATEST[kind]
    if kind in _DECIMALS:
        return isinstance(value, Decimal) and value.is_finite() and _places(value) <= scale
    if kind in _TEXTS:
        return isinstance(value, str | UUID)
    wanted: dict[str, Callable[[object], bool]] = {
        "BOOLEAN": lambda item: isinstance(item, bool),
        "DATE": lambda item: isinstance(item, date) and not isinstance(item, datetime),
        "TIMESTAMP": lambda item: isinstance(item, datetime) and item.tzinfo is not None,
        "TIMESTAMP_NTZ": lambda item: isinstance(item, datetime) and item.tzinfo is None,
        "BINARY": lambda item: isinstance(item, bytes | bytearray),
    }
    return kind in wanted and wanted[kind](value)


def _item(value: object, where: str, *, naive: bool = False) -> object:
    plain = _plain(value)
    if isinstance(plain, bool | int | str):
        return plain
    if isinstance(plain, Decimal) and plain.is_finite():
        return {"decimal": _digits(plain)}
    # pandas' moment is one of Python's with nanoseconds, which no table has.
    exact = isinstance(plain, datetime) and not getattr(plain, "nanosecond", 0)
    if isinstance(plain, datetime) and exact and (naive or plain.tzinfo is not None):
        moment = plain if naive else plain.astimezone(timezone.utc)
        return {"timestamp_ntz" if naive else "timestamp": moment.isoformat(timespec="microseconds")}
    if isinstance(plain, date) and not isinstance(plain, datetime):
        return {"date": plain.isoformat()}
    if isinstance(plain, bytes | bytearray):
        return {"binary": bytes(plain).hex()}
    if isinstance(plain, UUID):
        return str(plain)
    raise InvalidInput(f"{value!r} ({type(value).__name__}) cannot be a value of a key", where=where, hint=_hint(plain))


def _hint(value: object) -> str:
    if isinstance(value, datetime):
        return "Give it a time zone, as in moment.replace(tzinfo=timezone.utc)"
    if isinstance(value, float):
        return "Cast it to a whole number or a text; pandas makes floats of whole numbers beside missing ones"
    return "Give whole numbers, texts, booleans, decimals, dates, or moments with a time zone"


def _plain(value: object) -> object:
    """Return Python's value for one of numpy or pandas."""
    if isinstance(value, bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, str):
        return str.__str__(value)
    if type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    return value


def _digits(value: Decimal) -> str:
    """Return all digits but zeros at the end of a fraction; Decimal's own arithmetic keeps 28 of them."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _places(value: Decimal) -> int:
    return len(_digits(value).partition(".")[2])


@lru_cache(maxsize=256)
def _parsed(data_type: str) -> tuple[str, int, int]:
    match = _TYPE.fullmatch(data_type.strip().upper())
    if match is None:
        return data_type.strip().upper(), 0, 0
    return match[1], int(match[2] or 10), int(match[3] or 0)
