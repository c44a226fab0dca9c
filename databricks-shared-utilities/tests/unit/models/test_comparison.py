"""Who has won: with the numbers that the sources print, against simulations, and never with too few."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from databricks_utils.errors import InvalidInput
from databricks_utils.models import compare_arms


def outcomes(ones: int, rows: int) -> np.ndarray:
    return np.array([1.0] * ones + [0.0] * (rows - ones))


def test_the_difference_of_shares_is_that_of_the_source() -> None:
    """Newcombe, 1998, table II, method 10: 56 of 70 less 48 of 80 is 0.2, from 0.0524 to 0.3339."""
    found = compare_arms(outcomes(48, 80), outcomes(56, 70), least=2, greater_is_better=True)

    assert found.difference.value == pytest.approx(0.2)
    assert (found.difference.low, found.difference.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert (found.winner, found.because) == ("challenger", "the difference is 0.0524 to 0.334")


def test_the_better_side_is_the_smaller_one_where_less_is_better() -> None:
    found = compare_arms(outcomes(48, 80), outcomes(56, 70), least=70, greater_is_better=False)

    assert (found.winner, found.champion.entities, found.challenger.entities) == ("champion", 80, 70)


@pytest.mark.parametrize(("champion", "challenger"), [(0, 0), (1, 40), (0, 40), (19, 400), (400, 19)])
def test_nobody_wins_with_too_few_however_much_they_differ(champion: int, challenger: int) -> None:
    found = compare_arms(np.zeros(champion), np.ones(challenger), least=20, greater_is_better=True)

    assert found.winner is None
    assert found.because == f"{min(champion, challenger)} entities on the smaller side, 20 are needed"
    assert math.isnan(found.difference.value) == (champion == 0 or challenger == 0)


@pytest.mark.parametrize("kind", ["shares", "amounts"])
def test_between_equal_sides_a_winner_is_found_about_as_seldom_as_is_said(kind: str) -> None:
    draw = np.random.default_rng(3)

    won = 0
    for _ in range(600):
        sides = [
            (draw.random(120) < 0.2).astype(float) if kind == "shares" else draw.gamma(2.0, 50.0, 120) for _ in range(2)
        ]
        won += compare_arms(sides[0], sides[1], least=100, greater_is_better=True).winner is not None

    assert 0.02 <= won / 600 <= 0.08


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_sides_that_change_places_change_the_sign_and_the_winner(first: list[float], second: list[float]) -> None:
    there = compare_arms(np.array(first), np.array(second), least=2, greater_is_better=True)
    back = compare_arms(np.array(second), np.array(first), least=2, greater_is_better=True)

    assert (there.difference.low, there.difference.high) == pytest.approx((-back.difference.high, -back.difference.low))
    assert {there.winner, back.winner} in ({None}, {"champion", "challenger"})


def test_one_is_no_number_to_judge_by() -> None:
    with pytest.raises(InvalidInput, match="2 or more"):
        compare_arms(np.ones(5), np.ones(5), least=1, greater_is_better=True)


@pytest.mark.parametrize("value", [0.1, 0.7, 1e-3, 4.99])
def test_between_sides_of_one_and_the_same_value_nobody_wins(value: float) -> None:
    """Their means differ by rounding, and without any spread that would be enough."""
    for rows in range(600, 640):
        found = compare_arms(np.full(rows, value), np.full(1234 - rows, value), least=500, greater_is_better=True)

        assert (found.winner, found.difference.value) == (None, 0.0)


@pytest.mark.parametrize("strange", [math.nan, math.inf])
def test_an_outcome_that_is_no_number_is_refused_with_its_side(strange: float) -> None:
    """One of them would end each comparison without a winner, and nobody would know why."""
    with pytest.raises(InvalidInput, match=r"(?s)1 of 3 values are NaN or infinite.*outcomes of the challenger"):
        compare_arms(np.ones(3), np.array([1.0, strange, 0.0]), least=2, greater_is_better=True)


def test_a_confidence_in_percent_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"(?s)95 is no confidence.*Write 0\.95"):
        compare_arms(np.ones(3), np.zeros(3), least=2, greater_is_better=True, confidence=95)
