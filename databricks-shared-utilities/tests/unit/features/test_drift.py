"""Drift against formulas written down once more in plain Python, and defects that the comparison finds."""

from __future__ import annotations

import logging
import math
import random
import statistics
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytest
from broken import broken
from hypothesis import given
from hypothesis import strategies as st

from databricks_utils.errors import InvalidInput
from databricks_utils.features import Drift, DriftThresholds, distributions, drift, log_drift, measure_drift
from databricks_utils.features.distributions import (
    Distribution,
    array_distributions,
    distribution_of,
    distributions_from_json,
    distributions_to_json,
)

Values = Sequence[float]
NOTHING = float("nan")


def edges_of(values: Values) -> tuple[float, ...]:
    present = sorted(value for value in values if value == value and value != 0)
    return (
        tuple(sorted({present[min(len(present) - 1, len(present) * n // 100)] for n in range(1, 100)}))
        if present
        else ()
    )


def measured(before: Values, now: Values, module: Any = drift, counting: Any = distributions) -> Any:
    edges = edges_of(before)
    left, right = (counting.distribution_of("c", edges, np.array(values)) for values in (before, now))
    (result,) = module.measure_drift({"c": left}, {"c": right}, module.DriftThresholds(minimum_rows=100))
    return result


def plain(before: Values, now: Values) -> tuple[float, float, float, float]:
    """Return index, distance, effect and change of NULL, looking at every value for every bin."""
    edges = edges_of(before)
    present = [[value for value in values if value == value] for values in (before, now)]

    def bins(values: Values) -> list[int]:
        size = max(1, math.ceil((len(edges) + 1) / 10))
        uppers = [*edges, math.inf]
        found = [sum(value != value for value in values), sum(value == 0 for value in values)]
        for start in range(0, len(uppers), size):
            low = -math.inf if start == 0 else uppers[start - 1]
            high = uppers[min(start + size, len(uppers)) - 1]
            found.append(sum(low < value <= high and value != 0 for value in values))
        return found

    left, right = bins(before), bins(now)
    psi = 0.0
    for p, q in zip(left, right, strict=True):
        share = [(p + 0.5) / (len(before) + 0.5 * len(left)), (q + 0.5) / (len(now) + 0.5 * len(left))]
        psi += (share[1] - share[0]) * math.log(share[1] / share[0])
    ks = max((abs(_up_to(present[0], edge) - _up_to(present[1], edge)) for edge in edges), default=0.0)
    spread = [statistics.variance(values) * (len(values) - 1) for values in present]
    pooled = math.sqrt(sum(spread) / (len(present[0]) + len(present[1]) - 2))
    effect = (statistics.fmean(present[1]) - statistics.fmean(present[0])) / pooled
    return psi, ks, effect, left_share(now) - left_share(before)


def left_share(values: Values) -> float:
    return sum(value != value for value in values) / len(values)


def _up_to(values: Values, edge: float) -> float:
    return sum(value <= edge for value in values) / len(values)


def sample(seed: int, count: int, *, mean: float = 0.0, zeros: float = 0.0, nulls: float = 0.0) -> list[float]:
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        kind = chance.random()
        value = 0.0 if kind < zeros else chance.gauss(mean, 1.0)
        found.append(NOTHING if kind > 1 - nulls else round(value, 2))
    return found


CASES: dict[str, tuple[list[float], list[float]]] = {
    "alike": (sample(1, 900), sample(2, 700)),
    "shifted": (sample(3, 900), sample(4, 900, mean=0.5)),
    "mostly zero": (sample(5, 900, zeros=0.8), sample(6, 900, zeros=0.6)),
    "more nulls": (sample(7, 900, nulls=0.05), sample(8, 900, nulls=0.3)),
    "few different values": ([float(n % 3) for n in range(500)], [float(n % 4 - 1) for n in range(500)]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_measures_equal_their_formulas(case: str) -> None:
    before, now = CASES[case]

    result = measured(before, now)

    assert (result.psi, result.ks, result.effect, result.null_change) == pytest.approx(plain(before, now), rel=1e-9)


def test_the_distance_at_percentiles_is_close_to_the_exact_one() -> None:
    before, now = sample(9, 4000), sample(10, 4000, mean=0.3)

    exact = max(abs(_up_to(before, value) - _up_to(now, value)) for value in {*before, *now})

    assert measured(before, now).ks == pytest.approx(exact, abs=0.01)


DEFECTS = {
    "NULL has no bin": (drift, "return [distribution.nulls, distribution.zeros", "return [distribution.zeros"),
    "0 has no bin": (drift, "return [distribution.nulls, distribution.zeros", "return [distribution.nulls"),
    "zeros are left out of the distance": (drift, "distribution.zeros if number >= below_zero else 0", "0"),
    "zeros are put below everything": (drift, "if number >= below_zero else 0", "if number >= 0 else 0"),
    "the index has a bin for each percentile": (drift, "_INDEX_BINS = 10", "_INDEX_BINS = 100"),
    "the spread is that of one side": (drift, "before.squares + now.squares", "now.squares"),
    "NULL counts among the rows of the distance": (
        drift,
        "left / before.values - right /",
        "left / before.rows - right /",
    ),
    "a value at an edge is above it": (distributions, 'side="left"', 'side="right"'),
    "NULL counts as 0": (distributions, "present = values[~np.isnan(values)]", "present = np.nan_to_num(values)"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_found(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home, sound, wrong = DEFECTS[defect]
    copy = broken(home, sound, wrong, monkeypatch)
    modules = (copy, distributions) if home is drift else (drift, copy)

    differing = [case for case, given in CASES.items() if not _agree(measured(*given, *modules), plain(*given))]

    assert differing


def _agree(result: Drift, expected: tuple[float, float, float, float]) -> bool:
    return (result.psi, result.ks, result.effect, result.null_change) == pytest.approx(expected, rel=1e-9)


numbers = st.lists(st.one_of(st.just(NOTHING), st.sampled_from([0.0, 1.0]), st.floats(-1e6, 1e6)), max_size=30)


@given(numbers, numbers, numbers)
def test_portions_of_rows_join_to_what_all_of_them_give(one: Values, two: Values, three: Values) -> None:
    edges = edges_of([*one, *two])
    parts = [distribution_of("c", edges, np.array(values, dtype=np.float64)) for values in (one, two, three)]

    joined = parts[0].joined(parts[1]).joined(parts[2])

    whole = distribution_of("c", edges, np.array([*one, *two, *three], dtype=np.float64))
    assert (joined.counts, joined.nulls, joined.zeros) == (whole.counts, whole.nulls, whole.zeros)
    assert joined.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-6)
    assert joined.squares == pytest.approx(whole.squares, rel=1e-9, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda values: [value + 0.3 for value in values], "effect size 0.3"),
        (lambda values: [value * 3 for value in values], "KS distance"),
        (lambda values: [NOTHING if n % 10 == 0 else value for n, value in enumerate(values)], "share of NULL changed"),
    ],
)
def test_a_column_that_has_drifted_says_why(change: Callable[[Values], Values], reason: str) -> None:
    before = sample(11, 2000)

    result = measured(before, change(before))

    assert result.status == "drifted"
    assert any(text.startswith(reason) for text in result.reasons)


def test_a_small_shift_of_many_rows_is_no_drift() -> None:
    before = sample(12, 20_000)

    assert measured(before, [value + 0.03 for value in before]).status == "stable"


def test_with_too_few_rows_nothing_is_said() -> None:
    result = measured(sample(13, 2000), sample(14, 99, mean=5))

    assert (result.status, result.reasons) == ("too few rows", ("fewer than 100 rows",))


@pytest.mark.parametrize(("before", "now", "effect"), [(1.0, 1.0, 0.0), (1.0, 2.0, math.inf), (2.0, 1.0, -math.inf)])
def test_constants_differ_without_bounds_or_not_at_all(before: float, now: float, effect: float) -> None:
    assert measured([before] * 200, [now] * 200).effect == effect


def test_a_column_without_values_can_be_compared() -> None:
    result = measured([NOTHING] * 200, [1.0] * 200)

    assert (result.status, result.ks, result.effect) == ("drifted", 0.0, 0.0)


def test_a_reference_can_be_kept_as_text() -> None:
    reference = {"c": distribution_of("c", (0.1, 0.2), np.array([0.0, 0.15, NOTHING, 7.0]))}

    assert distributions_from_json(distributions_to_json(reference)) == reference


@pytest.mark.parametrize("text", ["", "{}x", '[{"column": "c"}]', "[1]"])
def test_a_text_that_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="The text holds no distributions"):
        distributions_from_json(text)


def test_columns_counted_in_other_bins_are_refused() -> None:
    left, right = (Distribution("c", edges, (0, 0)) for edges in ((1.0,), (2.0,)))

    for current in ({"c": right}, {}):
        with pytest.raises(InvalidInput, match=r"(?s)c was not counted in the reference's bins.*current_distributions"):
            measure_drift({"c": left}, current)


def test_the_log_warns_of_what_has_drifted_only(caplog: pytest.LogCaptureFixture) -> None:
    drifted = Drift("spend_7d", "drifted", 1000, 1000, 0.5, 0.3, 0.7, 0.0, ("PSI 0.5, limit 0.2",))
    stable = Drift("lines_7d", "stable", 1000, 1000, 0.0, 0.0, 0.0, 0.0)

    with caplog.at_level(logging.WARNING, logger="databricks_utils"):
        log_drift([drifted, stable], "gold.household_features")

    assert caplog.messages == ["spend_7d has drifted: PSI 0.5, limit 0.2"]


def test_the_thresholds_can_be_set() -> None:
    before = {"c": distribution_of("c", edges_of(sample(15, 500)), np.array(sample(15, 500)))}

    (result,) = measure_drift(before, before, DriftThresholds(psi=0.0, minimum_rows=1))

    assert result.reasons == ("PSI 0, limit 0",)


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e308], ids=["inf", "-inf", "a sum that overflows"])
@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize("side", ["now", "before"])
def test_values_without_end_on_one_side_are_drift(value: float, count: int, side: str) -> None:
    """Mean and spread of such a column are infinite or no numbers, and no comparison with a limit was true of them."""
    usual = sample(11, 900)
    spoilt = [*usual[count:], *[value] * count]
    with np.errstate(invalid="ignore", over="ignore"):
        result = measured(usual, spoilt) if side == "now" else measured(spoilt, usual)

    assert result.status == "drifted"
    assert any(reason.startswith("effect size") for reason in result.reasons)


def test_values_without_end_on_both_sides_are_compared_by_their_shares() -> None:
    usual = [*sample(11, 900)[50:], *[math.inf] * 50]
    with np.errstate(invalid="ignore", over="ignore"):
        alike = measured(usual, [*sample(12, 900)[50:], *[math.inf] * 50])
        more = measured(usual, [*sample(12, 900)[400:], *[math.inf] * 400])

    assert (alike.status, more.status) == ("stable", "drifted")


@pytest.mark.parametrize("value", [0.1, 0.7, 4.99, -0.3])
def test_a_constant_that_has_not_changed_has_not_drifted_however_many_rows_have_it(value: float) -> None:
    """The mean of 2,000 times 0.1 is not that of 2,999 times 0.1, and the spread of both is next to none."""
    before = array_distributions({"c": np.full(2000, value)})
    for rows in (1500, 2999, 3000, 7001):
        now = distribution_of("c", before["c"].edges, np.full(rows, value))
        parts = [distribution_of("c", before["c"].edges, part) for part in np.array_split(np.full(rows, value), 7)]

        for found in (now, reduce(Distribution.joined, parts)):
            (result,) = measure_drift(before, {"c": found})
            assert (result.status, result.effect, found.mean, found.squares) == ("stable", 0.0, value, 0.0)


@pytest.mark.parametrize("name", ["psi", "ks", "effect", "null_change", "minimum_rows"])
@pytest.mark.parametrize("limit", [math.nan, -0.1, "0.2", True, None], ids=repr)
def test_what_is_no_threshold_is_refused(name: str, limit: Any) -> None:
    with pytest.raises(InvalidInput, match=f"(?s)is no threshold.*drift, {name}"):
        DriftThresholds(**{name: limit})
