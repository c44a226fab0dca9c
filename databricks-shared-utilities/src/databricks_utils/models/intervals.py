"""How far a number from a test month can be trusted: intervals that know how few positives there were."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from databricks_utils.errors import InvalidInput

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval.

    Args:
        value: The estimate.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def skill_interval(label: Numbers, prediction: Numbers, confidence: float = 0.95) -> Interval:
    """Return by how much predictions beat the best constant: 1 - (mean squared error) / (that of the labels' mean).

    Of probabilities this is the Brier skill score against the base rate of the same rows, of amounts it is R squared. 1
    is perfect, 0 as good as the constant, below 0 worse; nothing is known (-1 to 1) where all labels are alike.

    The interval is that of a ratio of two means (delta method): with e = (prediction - label) squared, c = (mean -
    label) squared, E and C their means, each row moves the score by -(e - E) / C + E (c - C) / C squared. What the mean
    itself owes to chance moves it by nothing, to the first order. Source of the score: Murphy, The Coefficients of
    Correlation and Determination as Measures of Performance in Forecast Verification, 1995; of its sampling: Bradley,
    Schwartz, Hashino, Sampling Uncertainty and Confidence Intervals for the Brier Score and Brier Skill Score, 2008.

    Args:
        label: What happened, 0 or 1, or an amount.
        prediction: What was said, in the same order.
        confidence: Share of such intervals that hold the true value, if there are tens of rows of the rarer kind.

    Raises:
        InvalidInput: There are no rows, or not as many predictions as labels, one for each; or some are no numbers.
    """
    label, prediction = _checked(label, prediction)
    errors, constant = (prediction - label) ** 2, (label.mean() - label) ** 2
    mean, reference = float(errors.mean()), float(constant.mean())
    # Not by their variance: the mean of equal numbers is another number, by rounding.
    if label.min() == label.max():
        return Interval(0.0, -1.0, 1.0)
    moved = -(errors - mean) / reference + mean * (constant - reference) / reference**2
    value = 1 - mean / reference
    half = z_of(confidence) * float(moved.std()) / math.sqrt(len(label))
    return Interval(value, value - half, value + half)


def auc_interval(auc: float, positives: int, negatives: int, confidence: float = 0.95) -> Interval:
    """Return the interval of an area under the ROC curve, from the number of rows of either kind.

    It never leaves 0 to 1, and does not shrink to a point at 1. Where there is none of a kind, nothing is known.
    Source: Newcombe, Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2, 2006,
    method 5: the areas whose own standard error (Hanley, McNeil, 1982, with both kinds as often as their mean) reaches
    the estimate.

    Args:
        auc: The estimate, 0 to 1.
        positives: Rows with label 1.
        negatives: Rows with label 0.
        confidence: Share of such intervals that hold the true value.
    """
    if not positives or not negatives:
        return Interval(auc, 0.0, 1.0)
    pairs, others, z = positives * negatives, (positives + negatives) / 2 - 1, z_of(confidence)

    def reach(area: float) -> float:
        spread = area * (1 - area) * (1 + others * ((1 - area) / (2 - area) + area / (1 + area))) / pairs
        return z * math.sqrt(max(0.0, spread))

    low = _crossing(lambda area: auc - area - reach(area), 0.0, auc)
    high = 1 - _crossing(lambda rest: 1 - rest - auc - reach(1 - rest), 0.0, 1 - auc)
    return Interval(auc, low, high)


def average_precision_interval(value: float, positives: int, confidence: float = 0.95) -> Interval:
    """Return the interval of an average precision, from the number of positives.

    Source: Boyd, Eng, Page, Area under the Precision-Recall Curve: Point Estimates and Confidence Intervals, 2013, the
    logit interval. At 0 and 1, where its width would be 0, it is that of a value half a positive away.

    Args:
        value: The estimate, 0 to 1.
        positives: Rows with label 1; without any, nothing is known.
        confidence: Share of such intervals that hold the true value.
    """
    if not positives:
        return Interval(value, 0.0, 1.0)
    inside = min(max(value, 0.5 / (positives + 1)), 1 - 0.5 / (positives + 1))
    centre, half = math.log(inside / (1 - inside)), z_of(confidence) / math.sqrt(positives * inside * (1 - inside))
    low, high = (1 / (1 + math.exp(-end)) for end in (centre - half, centre + half))
    return Interval(value, min(low, value), max(high, value))


def _crossing(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function that falls from above 0 to below it does so."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2


def z_of(confidence: float) -> float:
    """Return how many standard errors an interval reaches to either side.

    Raises:
        InvalidInput: The confidence is no share between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise InvalidInput(f"{confidence} is no confidence", where="confidence", hint="Write 0.95")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def _checked(label: Numbers, prediction: Numbers) -> tuple[Numbers, Numbers]:
    """Return both as plain arrays: frames would be aligned by their index, and a column by a row makes a square."""
    labels, predictions = (numbers_of(values, where="skill") for values in (label, prediction))
    if not len(labels) or len(labels) != len(predictions):
        message = f"{len(labels)} labels and {len(predictions)} predictions"
        raise InvalidInput(message, where="skill", hint="Give one prediction for each label, and some of them")
    return labels, predictions


def numbers_of(values: ArrayLike, *, where: str) -> Numbers:
    """Return finite numbers in a row as an array.

    Args:
        values: Numbers in an order of their own; an index does not count.
        where: What they are, for the message.

    Raises:
        InvalidInput: They stand in rows and columns, or one of them is NaN or infinite.
    """
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1:
        hint = "Give one value for each row, as values.ravel() does for a single column"
        raise InvalidInput(f"Values of the shape {found.shape} are no row of numbers", where=where, hint=hint)
    strange = int((~np.isfinite(found)).sum())
    if strange:
        hint = "Find out where they come from: of what is not known nothing can be said"
        raise InvalidInput(f"{strange} of {len(found)} values are NaN or infinite", where=where, hint=hint)
    return found
