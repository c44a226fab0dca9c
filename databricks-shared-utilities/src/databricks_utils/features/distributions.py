"""How the values of many columns are distributed, counted in one pass over the rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, NumericType

from databricks_utils.data_quality.sql_text import quoted_name
from databricks_utils.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

_PERCENTILES = ", ".join(f"{number}D / 100" for number in range(1, 100))
#: Ranks of percentile_approx are wrong by at most one in so many: none, where there are fewer rows.
_ACCURACY = 10_000
_COUNTED = "number INT, counts ARRAY<BIGINT>, nulls BIGINT, zeros BIGINT, mean DOUBLE, squares DOUBLE"


@dataclass(frozen=True)
class Distribution:
    """A column in counts.

    Args:
        column: Its name.
        edges: Different percentiles of the reference's values other than 0, ascending.
        counts: Values other than 0 up to each edge and above the one before; last those above all.
        nulls: NULL and NaN.
        zeros: Values that are 0. They have a bin of their own, since counts and sums are often mostly 0.
        mean: Of the values, 0 where there are none.
        squares: Sum of the squared distances from the mean.
    """

    column: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    nulls: int = 0
    zeros: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @property
    def values(self) -> int:
        """Rows that have a value."""
        return self.zeros + sum(self.counts)

    @property
    def rows(self) -> int:
        """All rows."""
        return self.nulls + self.values

    @property
    def variance(self) -> float:
        """The sample's variance; 0 for fewer than two values."""
        return self.squares / (self.values - 1) if self.values > 1 else 0.0

    def joined(self, other: Distribution) -> Distribution:
        """Return the distribution of both sets of rows.

        Source: Chan, Golub, LeVeque, Updating Formulae and a Pairwise Algorithm, 1979.
        """
        total = self.values + other.values
        if not total:
            mean = squares = 0.0
        else:
            distance = other.mean - self.mean
            mean = self.mean + distance * other.values / total
            squares = self.squares + other.squares + distance * distance * self.values * other.values / total
        counts = tuple(left + right for left, right in zip(self.counts, other.counts, strict=True))
        nulls, zeros = self.nulls + other.nulls, self.zeros + other.zeros
        return Distribution(self.column, self.edges, counts, nulls, zeros, mean, squares)


def reference_distributions(rows: DataFrame, columns: Sequence[str]) -> dict[str, Distribution]:
    """Describe the rows that later ones are compared with, such as those a model was trained on; two passes.

    Args:
        rows: Any rows.
        columns: Numeric columns.

    Raises:
        InvalidInput: A column is missing, or holds no numbers.
    """
    _check(rows, columns)
    found = rows.agg(*[F.expr(_percentiles(name)).alias(f"c{number}") for number, name in enumerate(columns)])
    values = found.collect()[0]
    edges = {name: tuple(sorted({float(edge) for edge in values[n] or ()})) for n, name in enumerate(columns)}
    return _counted(rows, edges)


def array_distributions(columns: Mapping[str, NDArray[np.float64]]) -> dict[str, Distribution]:
    """Describe columns that are in memory already, such as what a model was just trained on; Spark is not asked.

    The result is that of `reference_distributions` as long as that one's percentiles are exact: up to 10,000 rows.

    Args:
        columns: Values by name, NaN for NULL.
    """
    return {name: distribution_of(name, _edges(values), values) for name, values in columns.items()}


def current_distributions(rows: DataFrame, reference: Mapping[str, Distribution]) -> dict[str, Distribution]:
    """Describe rows in the bins of a reference: one job for all columns, which reads the rows once.

    Args:
        rows: Rows with the columns of the reference.
        reference: From `reference_distributions`.

    Raises:
        InvalidInput: A column is missing, or holds no numbers.
    """
    _check(rows, list(reference))
    return _counted(rows, {name: distribution.edges for name, distribution in reference.items()})


def distributions_to_json(distributions: Mapping[str, Distribution]) -> str:
    """Return text that can be kept beside a model."""
    return json.dumps([asdict(distribution) for distribution in distributions.values()])


def distributions_from_json(text: str) -> dict[str, Distribution]:
    """Return the distributions of a text from `distributions_to_json`.

    Raises:
        InvalidInput: The text is something else.
    """
    try:
        found = [Distribution(**item) for item in json.loads(text)]
    except (ValueError, TypeError) as error:
        hint = "Write it with distributions_to_json"
        raise InvalidInput(f"The text holds no distributions: {error}", where="reference", hint=hint) from error
    return {
        item.column: Distribution(**{**asdict(item), "edges": tuple(item.edges), "counts": tuple(item.counts)})
        for item in found
    }


def distribution_of(column: str, edges: Sequence[float], values: NDArray[np.float64]) -> Distribution:
    """Describe an array; NaN stands for NULL.

    Args:
        column: Name of the column.
        edges: Upper ends of the bins, ascending.
        values: What the column holds.
    """
    present = values[~np.isnan(values)]
    places = np.searchsorted(np.asarray(edges, dtype=np.float64), present[present != 0], side="left")
    counts = np.bincount(places, minlength=len(edges) + 1)
    constant = len(present) > 0 and present.min() == present.max()
    # The mean of equal numbers is another number, by rounding, and their spread next to none: of a constant that has
    # not changed the effect would be great.
    mean = float(present[0] if constant else present.mean()) if len(present) else 0.0
    return Distribution(
        column=column,
        edges=tuple(edges),
        counts=tuple(int(count) for count in counts),
        nulls=len(values) - len(present),
        zeros=int((present == 0).sum()),
        mean=mean,
        squares=float(np.square(present - mean).sum()),
    )


def counts(rows: DataFrame, edges: Mapping[str, tuple[float, ...]]) -> DataFrame:
    """Return the frame that counts all columns at once: a row for each column and partition.

    Args:
        rows: Rows with the columns.
        edges: Upper ends of the bins by column, ascending.
    """
    names = list(edges)
    numbers = rows.select(*[F.col(quoted_name(name)).cast("double").alias(f"c{n}") for n, name in enumerate(names)])

    def described(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        totals = [Distribution(name, edges[name], (0,) * (len(edges[name]) + 1)) for name in names]
        for batch in batches:
            arrays = [column.to_numpy(zero_copy_only=False).astype(np.float64) for column in batch.columns]
            pairs = zip(totals, arrays, strict=True)
            totals = [total.joined(distribution_of(total.column, total.edges, array)) for total, array in pairs]
        yield _as_batch(totals)

    return numbers.mapInArrow(described, _COUNTED)


def _counted(rows: DataFrame, edges: Mapping[str, tuple[float, ...]]) -> dict[str, Distribution]:
    names = list(edges)
    totals = {name: Distribution(name, edges[name], (0,) * (len(edges[name]) + 1)) for name in names}
    for row in counts(rows, edges).collect():
        name = names[row.number]
        part = Distribution(name, edges[name], tuple(row.counts), row.nulls, row.zeros, row.mean, row.squares)
        totals[name] = totals[name].joined(part)
    return totals


def _edges(values: NDArray[np.float64]) -> tuple[float, ...]:
    present = values[~np.isnan(values) & (values != 0)]
    if not len(present):
        return ()
    return tuple(float(edge) for edge in np.unique(np.percentile(present, range(1, 100), method="inverted_cdf")))


def _as_batch(totals: Sequence[Distribution]) -> pa.RecordBatch:
    import pyarrow as pa

    columns: dict[str, Any] = {
        "number": pa.array(range(len(totals)), pa.int32()),
        "counts": pa.array([list(total.counts) for total in totals], pa.list_(pa.int64())),
    }
    for part in ("nulls", "zeros", "mean", "squares"):
        kind = pa.float64() if part in ("mean", "squares") else pa.int64()
        columns[part] = pa.array([getattr(total, part) for total in totals], kind)
    return pa.RecordBatch.from_pydict(columns)


def _percentiles(name: str) -> str:
    value = f"nullif(nanvl(CAST({quoted_name(name)} AS DOUBLE), CAST(NULL AS DOUBLE)), 0D)"
    return f"percentile_approx({value}, array({_PERCENTILES}), {_ACCURACY})"


def _check(rows: DataFrame, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in rows.columns]
    if missing or not columns:
        hint = f"Columns: {', '.join(rows.columns)}"
        raise InvalidInput(f"The rows have no column {', '.join(missing) or 'to look at'}", where="drift", hint=hint)
    for name in columns:
        kind = rows.schema[name].dataType
        if not isinstance(kind, NumericType | BooleanType):
            said = f"The column {name!r} is {kind.simpleString().upper()}, and drift is measured of numbers"
            hint = "Leave it out, or make a number of it: drift of a text is that of what is counted of its values"
            raise InvalidInput(said, where="drift", hint=hint)
