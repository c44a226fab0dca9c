"""Rows of one frame picked by the values of another, NULL being a value like any other.

Values never become text on their way: what a literal says can differ between two readers, in quotes, time zones and
NULL, and the rows of such a value would be left as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Literal

from pyspark.sql import functions as F

from databricks_utils.delta import quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def rows_with(rows: DataFrame, values: DataFrame, names: Sequence[str]) -> DataFrame:
    """Return the rows whose named columns hold a combination of values that is there.

    Args:
        rows: Any rows with the named columns.
        values: Combinations of values, in columns of the same names; repetitions change nothing.
        names: One column or more.
    """
    return _joined(rows, values, names, "left_semi")


def rows_without(rows: DataFrame, values: DataFrame, names: Sequence[str]) -> DataFrame:
    """Return the rows that `rows_with` leaves out."""
    return _joined(rows, values, names, "left_anti")


def _joined(
    rows: DataFrame, values: DataFrame, names: Sequence[str], how: Literal["left_semi", "left_anti"]
) -> DataFrame:
    # Under names of their own, since both sides may come from one table.
    wanted = values.select(*[F.col(quoted(name)).alias(f"_wanted_{number}") for number, name in enumerate(names)])
    same = [F.col(quoted(name)).eqNullSafe(F.col(f"_wanted_{number}")) for number, name in enumerate(names)]
    return rows.join(wanted, reduce(and_, same), how)
