"""Intervals against simulations, whose truth is known, and against bootstraps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from databricks_utils.errors import InvalidInput
from databricks_utils.models import auc_interval, average_precision_interval, skill_interval

SHARES = st.floats(0, 1)


def area(positive: np.ndarray, negative: np.ndarray) -> float:
    """Count the pairs in the right order, half of those that are equal."""
    pairs = positive[:, None] - negative[None, :]
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean())


@pytest.mark.parametrize(("positives", "negatives", "shift"), [(20, 300, 1.0), (30, 60, 2.0), (15, 500, 0.0)])
def test_the_interval_of_an_area_holds_the_true_one_about_as_often_as_it_says(
    positives: int, negatives: int, shift: float
) -> None:
    draw, truth = np.random.default_rng(5), 0.5 * math.erfc(-shift / 2)

    held = 0
    for _ in range(400):
        estimate = area(draw.normal(shift, 1, positives), draw.normal(0, 1, negatives))
        found = auc_interval(estimate, positives, negatives)
        held += found.low <= truth <= found.high

    assert 0.91 <= held / 400 <= 0.99


@given(SHARES, st.integers(1, 500), st.integers(1, 5000))
def test_an_interval_of_an_area_holds_its_estimate_and_fewer_positives_make_it_wider(
    auc: float, positives: int, negatives: int
) -> None:
    found, fewer = auc_interval(auc, positives, negatives), auc_interval(auc, max(1, positives // 2), negatives)

    assert 0 <= found.low <= auc <= found.high <= 1
    assert fewer.high - fewer.low >= found.high - found.low - 1e-9
    assert found.high > found.low


def test_a_perfect_order_of_three_positives_says_little() -> None:
    """The usual standard error is 0 there, so that three rows would prove everything."""
    assert auc_interval(1.0, 3, 40).low < 0.75
    assert auc_interval(1.0, 300, 4000).low > 0.99
    assert (auc_interval(0.5, 0, 40).low, auc_interval(0.5, 0, 40).high) == (0.0, 1.0)


@given(SHARES, st.integers(0, 500))
def test_an_interval_of_an_average_precision_holds_its_estimate(value: float, positives: int) -> None:
    found = average_precision_interval(value, positives)

    assert 0 <= found.low <= value <= found.high <= 1
    assert found.high > found.low


def bernoulli(rate: float, spread: float, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and the probabilities that they were drawn with."""
    draw = np.random.default_rng(seed)
    odds = math.log(rate / (1 - rate)) + spread * draw.normal(size=rows)
    probability = 1 / (1 + np.exp(-odds))
    return (draw.random(rows) < probability).astype(np.float64), probability


def test_a_constant_base_rate_has_no_skill_however_small_its_error_is() -> None:
    """Of three positives in a hundred, a constant has a Brier score of 0.03, and a limit of 0.25 lets it pass."""
    label = np.array([1.0] * 3 + [0.0] * 97)

    found = skill_interval(label, np.full(100, 0.03))

    assert float(np.mean((label - 0.03) ** 2)) < 0.03
    assert (found.value, found.low, found.high) == pytest.approx((0, 0, 0), abs=1e-12)


@pytest.mark.parametrize(("rate", "spread"), [(0.05, 2.0), (0.3, 1.0), (0.1, 3.0)])
def test_the_interval_of_skill_is_about_that_of_a_bootstrap(rate: float, spread: float) -> None:
    label, probability = bernoulli(rate, spread, 2000, 3)
    draw = np.random.default_rng(4)
    again = [draw.integers(0, 2000, 2000) for _ in range(1500)]
    scores = [skill_interval(label[rows], probability[rows]).value for rows in again]

    found, (low, high) = skill_interval(label, probability), np.percentile(scores, [2.5, 97.5])

    assert (found.low, found.high) == pytest.approx((low, high), abs=0.25 * (high - low))
    assert found.value == pytest.approx(1 - np.mean((probability - label) ** 2) / np.var(label))


def test_skill_of_few_positives_is_not_told_from_none() -> None:
    label, probability = bernoulli(0.05, 1.0, 200, 8)
    more, sure = bernoulli(0.05, 1.0, 200_000, 8)

    assert skill_interval(label, probability).low < 0
    assert skill_interval(more, sure).low > 0


def test_of_labels_that_are_all_alike_nothing_is_known() -> None:
    found = skill_interval(np.zeros(50), np.full(50, 0.1))

    assert (found.value, found.low, found.high) == (0.0, -1.0, 1.0)


def test_labels_that_are_alike_are_known_by_their_values_and_not_by_their_mean() -> None:
    """The mean of three times 0.1 is not 0.1, so that a variance that is none would be divided by."""
    for rows in range(3, 40):
        found = skill_interval(np.full(rows, 0.1), np.full(rows, 0.1))

        assert (found.value, found.low, found.high) == (0.0, -1.0, 1.0)


@pytest.mark.parametrize(
    "given",
    [
        lambda values: values.astype(np.float32),
        list,
        lambda values: pd.Series(values, index=range(len(values))),
        lambda values: pd.Series(values, index=range(len(values), 0, -1)),
    ],
)
def test_what_holds_the_numbers_does_not_count(given: Callable[[np.ndarray], Any]) -> None:
    """Columns of two frames are aligned by their index, and every prediction would meet the label of another row."""
    label, prediction = np.array([1.0, 0, 0, 1, 0]), np.array([0.75, 0.25, 0, 0.5, 0.25])

    assert skill_interval(label, given(prediction)) == skill_interval(label, prediction)
    assert skill_interval(given(label), prediction) == skill_interval(label, prediction)


@pytest.mark.parametrize(
    ("label", "prediction", "said"),
    [
        ([1.0, 0.0], [[1.0], [0.0]], r"shape \(2, 1\)"),
        ([[1.0], [0.0]], [1.0, 0.0], r"shape \(2, 1\)"),
        ([1.0, 0.0], [1.0, math.nan], "1 of 2 values are NaN"),
        ([1.0, math.inf], [1.0, 0.0], "1 of 2 values are NaN"),
    ],
)
def test_a_column_beside_a_row_and_values_that_are_none_are_refused(label: Any, prediction: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        skill_interval(np.array(label), np.array(prediction))


@pytest.mark.parametrize(("label", "prediction"), [([], []), ([1.0], [0.5, 0.5])])
def test_what_does_not_fit_together_is_refused(label: list[float], prediction: list[float]) -> None:
    with pytest.raises(InvalidInput, match="labels and"):
        skill_interval(np.array(label), np.array(prediction))
    with pytest.raises(InvalidInput, match="no confidence"):
        auc_interval(0.5, 3, 3, confidence=95)
