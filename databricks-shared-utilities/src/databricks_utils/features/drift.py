"""Whether columns have drifted from a reference, by how much, and whether that is worth a word.

No test of significance: with 200,000 rows it finds shifts of a hundredth of a standard deviation, on which nobody need
act. What is measured is the size of the difference, and with too few rows nothing is said at all.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from numbers import Real
from typing import TYPE_CHECKING, Literal

from databricks_utils.delta import Namespace, RecordTable
from databricks_utils.errors import InvalidInput
from databricks_utils.features.distributions import Distribution

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_LOG = logging.getLogger(__name__)
DRIFT_TABLE = "operations.feature_drift"
#: Bins of the index beside those for NULL and 0: with more, noise alone makes it greater.
_INDEX_BINS = 10


@dataclass(frozen=True)
class DriftThresholds:
    """From where on a difference counts.

    Args:
        psi: Population stability index.
        ks: Greatest distance of the two cumulative distributions, 0 to 1.
        effect: Distance of the means in standard deviations (Cohen's d).
        null_change: Change of the share of NULL, 0 to 1.
        minimum_rows: With fewer rows on either side nothing is said: without any drift the index is 0.16 at the median
            with 100 rows, and 0.0016 with 10,000.

    Raises:
        InvalidInput: One of them is no number, or below 0.
    """

    psi: float = 0.2
    ks: float = 0.1
    effect: float = 0.2
    null_change: float = 0.05
    minimum_rows: int = 1000

    def __post_init__(self) -> None:
        for name, limit in vars(self).items():
            if not isinstance(limit, Real) or isinstance(limit, bool) or not float(limit) >= 0:
                hint = "Write a number that is not below 0"
                raise InvalidInput(f"{limit!r} is no threshold", where=f"drift, {name}", hint=hint)


@dataclass(frozen=True)
class Drift:
    """How far a column is from its reference.

    Args:
        column: Its name.
        status: `drifted`, `stable`, or `too few rows`.
        reference_rows: Rows of the reference.
        current_rows: Rows compared with it.
        psi: Population stability index over the reference's deciles, with bins for NULL and 0.
        ks: Kolmogorov-Smirnov distance, read at the reference's percentiles.
        effect: Cohen's d, positive where the mean has grown.
        null_change: Share of NULL now less that of the reference.
        reasons: Which thresholds are reached, for people.
    """

    column: str
    status: Literal["drifted", "stable", "too few rows"]
    reference_rows: int
    current_rows: int
    psi: float
    ks: float
    effect: float
    null_change: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class DriftRecord:
    """A measurement of a column, as a row of `operations.feature_drift`."""

    measured_at: datetime
    feature_table: str
    drift: Drift


DRIFT = RecordTable(DRIFT_TABLE, DriftRecord, renamed={"column": "column_name"})


def measure_drift(
    reference: Mapping[str, Distribution],
    current: Mapping[str, Distribution],
    thresholds: DriftThresholds | None = None,
) -> list[Drift]:
    """Compare columns with their reference.

    Args:
        reference: From `reference_distributions`.
        current: From `current_distributions` with that reference.
        thresholds: From where on a difference counts.

    Returns:
        One result for each column of the reference, in its order.

    Raises:
        InvalidInput: A column is missing, or was counted in other bins.
    """
    limits = thresholds or DriftThresholds()
    results = []
    for name, before in reference.items():
        now = current.get(name)
        if now is None or now.edges != before.edges:
            hint = "Count the rows with current_distributions(rows, reference)"
            raise InvalidInput(f"{name} was not counted in the reference's bins", where="drift", hint=hint)
        results.append(_measured(before, now, limits))
    return results


def log_drift(results: Sequence[Drift], feature_table: str) -> None:
    """Warn in the log of every column that has drifted, so that an alert on warnings finds it."""
    for result in results:
        if result.status == "drifted":
            details = {"event": "feature_drift", "table": feature_table}
            _LOG.warning("%s has drifted: %s", result.column, "; ".join(result.reasons), extra=details)


def save_drift(
    spark: SparkSession, namespace: Namespace, feature_table: str, results: Sequence[Drift], measured_at: datetime
) -> None:
    """Append results to the table `operations.feature_drift`, with its lock.

    Args:
        spark: The session.
        namespace: Names of the environment.
        feature_table: What was looked at.
        results: From `measure_drift`.
        measured_at: When, with a time zone.
    """
    records = [DriftRecord(measured_at, feature_table, result) for result in results]
    DRIFT.append(spark, namespace, records)


def stability_index(before: Distribution, now: Distribution) -> float:
    """Return the population stability index, the sum of (q - p) ln(q / p) over bins.

    Half a row is added to each bin, so that an empty one has a logarithm.
    """
    bins = list(zip(_index_bins(before), _index_bins(now), strict=True))
    total = 0.0
    for left, right in bins:
        p = (left + 0.5) / (before.rows + 0.5 * len(bins))
        q = (right + 0.5) / (now.rows + 0.5 * len(bins))
        total += (q - p) * math.log(q / p)
    return total


def greatest_distance(before: Distribution, now: Distribution) -> float:
    """Return the greatest distance of the shares of values up to an edge; 0 where a side has none."""
    if not before.values or not now.values:
        return 0.0
    pairs = zip(_cumulative(before), _cumulative(now), strict=True)
    return max(abs(left / before.values - right / now.values) for left, right in pairs)


def effect_size(before: Distribution, now: Distribution) -> float:
    """Return Cohen's d with the pooled standard deviation.

    It is infinite between two different constants, and where one side holds an infinite value and the other none:
    such a side has no mean and no spread that could be compared.
    """
    endless = [not math.isfinite(side.mean) or not math.isfinite(side.squares) for side in (before, now)]
    if any(endless):
        return 0.0 if all(endless) else math.copysign(math.inf, now.mean if endless[1] else -before.mean)
    if not before.values or not now.values or before.mean == now.mean:
        return 0.0
    freedom = before.values + now.values - 2
    pooled = math.sqrt((before.squares + now.squares) / freedom) if freedom > 0 else 0.0
    distance = now.mean - before.mean
    return distance / pooled if pooled else math.copysign(math.inf, distance)


def _measured(before: Distribution, now: Distribution, limits: DriftThresholds) -> Drift:
    psi, ks, effect = stability_index(before, now), greatest_distance(before, now), effect_size(before, now)
    change = _share(now.nulls, now.rows) - _share(before.nulls, before.rows)
    enough = min(before.rows, now.rows) >= limits.minimum_rows
    found = [
        ("PSI", psi, limits.psi),
        ("KS distance", ks, limits.ks),
        ("effect size", effect, limits.effect),
        ("share of NULL changed by", change, limits.null_change),
    ]
    reasons = tuple(f"{name} {value:.3g}, limit {limit:g}" for name, value, limit in found if not abs(value) < limit)
    status: Literal["drifted", "stable", "too few rows"] = "stable"
    if not enough:
        status, reasons = "too few rows", (f"fewer than {limits.minimum_rows} rows",)
    elif reasons:
        status = "drifted"
    return Drift(before.column, status, before.rows, now.rows, psi, ks, effect, change, reasons)


def _index_bins(distribution: Distribution) -> list[int]:
    """Join the bins between percentiles to about ten, the same for every distribution with these edges."""
    size = max(1, math.ceil(len(distribution.counts) / _INDEX_BINS))
    counts = distribution.counts
    joined = [sum(counts[start : start + size]) for start in range(0, len(counts), size)]
    return [distribution.nulls, distribution.zeros, *joined]


def _cumulative(distribution: Distribution) -> list[int]:
    """Return how many values are up to each edge, and in all."""
    below_zero = sum(edge < 0 for edge in distribution.edges)
    totals, total = [], 0
    for number, count in enumerate(distribution.counts):
        total += count
        # Edges are not 0, so 0 lies between two of them: from there on the zeros are below.
        totals.append(total + (distribution.zeros if number >= below_zero else 0))
    return totals


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
