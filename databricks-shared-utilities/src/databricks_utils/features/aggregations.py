"""What each aggregation is made from, and its formula, written once for Spark's columns and numpy's arrays.

Everything up to the formula is a whole number, so no sum depends on the order of rows. A formula rounds as IEEE 754
says for +, -, *, / and the square root, in the same order everywhere: two engines give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from databricks_utils.features.definitions import Aggregation

Part = Literal["n", "s", "q", "low", "high", "set", "days", "last"]
"""What is kept of a window: number of values, sum, sum of squares, least, greatest, different values, days with one,
days since the last."""


class Dialect(Protocol):
    """The operations a formula needs beyond + - * and comparisons."""

    def double(self, value: Any) -> Any:
        """Turn whole numbers into floating point."""

    def divide(self, over: Any, under: Any) -> Any:
        """Divide floating point; anything at all where the divisor is 0."""

    def root(self, value: Any) -> Any:
        """Return the square root; of a negative number that of 0."""


#: A window's parts: whole numbers, as columns of Spark, arrays of numpy, or plain numbers.
Parts = Mapping[Part, Any]
#: Window, window of all events for `share`, 10^scale, dialect; gives the value and whether there is none.
Formula = Callable[[Parts, Parts, int, Dialect], tuple[Any, Any]]


@dataclass(frozen=True)
class Kind:
    """How an aggregation is computed.

    Args:
        parts: What it is made from.
        formula: The value from the parts.
        empty: What it is where there is nothing to say it of.
        column: Whether it needs a column: `numeric`, `countable` (anything but floating point), `any`, or `none`.
        result: Type of the feature's column; `units` is that of the values.
        words: The meaning, for the documentation.
    """

    parts: tuple[Part, ...]
    formula: Formula
    empty: int | None
    column: Literal["numeric", "countable", "any", "none"]
    result: Literal["BIGINT", "DOUBLE", "units"]
    words: str


def _whole(part: Part, none: Callable[[Parts], Any]) -> Formula:
    return lambda window, _, __, ___: (window[part], none(window))


def _units(part: Part) -> Formula:
    def formula(window: Parts, _: Parts, units: int, to: Dialect) -> tuple[Any, Any]:
        value = window[part]
        return (value if units == 1 else to.divide(to.double(value), float(units))), window["n"] == 0

    return formula


def _mean(window: Parts, _: Parts, units: int, to: Dialect) -> tuple[Any, Any]:
    return to.divide(to.double(window["s"]), to.double(window["n"] * units)), window["n"] == 0


def _share(window: Parts, everything: Parts, _: int, to: Dialect) -> tuple[Any, Any]:
    return to.divide(to.double(window["s"]), to.double(everything["s"])), everything["s"] == 0


def _std(window: Parts, _: Parts, units: int, to: Dialect) -> tuple[Any, Any]:
    n, s, q = to.double(window["n"]), to.double(window["s"]), to.double(window["q"])
    variance = to.divide(q * n - s * s, to.double(window["n"] * (window["n"] - 1)))
    return to.divide(to.root(variance), float(units)), window["n"] < 2


def _nothing(window: Parts) -> Any:
    return window["n"] == 0


KINDS: Mapping[Aggregation, Kind] = {
    "count": Kind(("n",), _whole("n", _nothing), 0, "any", "BIGINT", "number of events"),
    "sum": Kind(("n", "s"), _units("s"), 0, "numeric", "units", "sum"),
    "mean": Kind(("n", "s"), _mean, None, "numeric", "DOUBLE", "mean"),
    "min": Kind(("n", "low"), _units("low"), None, "numeric", "units", "least"),
    "max": Kind(("n", "high"), _units("high"), None, "numeric", "units", "greatest"),
    "std": Kind(("n", "s", "q"), _std, None, "numeric", "DOUBLE", "standard deviation"),
    "share": Kind(("n", "s"), _share, None, "numeric", "DOUBLE", "share of the sum"),
    "count_distinct": Kind(("n", "set"), _whole("set", _nothing), 0, "countable", "BIGINT", "different values"),
    "active_days": Kind(("n", "days"), _whole("days", _nothing), 0, "any", "BIGINT", "days with an event"),
    "days_since_last": Kind(("n", "last"), _whole("last", _nothing), None, "any", "BIGINT", "days since the last"),
}
