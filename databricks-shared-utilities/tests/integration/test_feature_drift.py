"""Drift of several columns, counted by Spark in one pass."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from databricks_utils.delta import Namespace
from databricks_utils.errors import InvalidInput
from databricks_utils.features import (
    DriftThresholds,
    array_distributions,
    current_distributions,
    measure_drift,
    reference_distributions,
    save_drift,
)
from databricks_utils.features.distributions import counts, distribution_of
from databricks_utils.testing.plans import empty_source, plan_of

COLUMNS = ["spend", "visits", "nothing"]


def customers(seed: int, mean: float) -> list[tuple[float | None, int | None, float | None]]:
    chance = random.Random(seed)
    return [
        (
            chance.choice([None, float("nan"), *[chance.gauss(mean, 2.0)] * 20]),
            chance.choice([0, 0, 0, 0, 1, 2, None]),
            None,
        )
        for _ in range(1500)
    ]


def test_columns_are_counted_in_one_pass_and_the_results_kept(
    spark: SparkSession, tmp_path: Path, schemas: Mapping[str, str]
) -> None:
    namespace = Namespace("spark_catalog", schemas, tmp_path)
    before, now = customers(1, 10.0), customers(2, 11.0)
    types = "spend DOUBLE, visits BIGINT, nothing DOUBLE"
    moment = datetime(2024, 3, 1, tzinfo=timezone.utc)

    reference = reference_distributions(spark.createDataFrame(before, types).repartition(3), COLUMNS)
    current = current_distributions(spark.createDataFrame(now, types).repartition(2), reference)
    results = measure_drift(reference, current)
    save_drift(spark, namespace, "gold.customers", results, moment)
    save_drift(spark, namespace, "gold.customers", results[:1], moment)

    for number, name in enumerate(COLUMNS):
        values = np.array([row[number] for row in now], dtype=np.float64)
        expected = distribution_of(name, reference[name].edges, values)
        found = current[name]
        assert (found.counts, found.nulls, found.zeros) == (expected.counts, expected.nulls, expected.zeros)
        assert found.mean == pytest.approx(expected.mean)
        assert found.variance == pytest.approx(expected.variance)
    present = sorted(value for value, _, _ in before if value is not None and value == value)
    assert reference["spend"].edges[49] == pytest.approx(present[len(present) // 2], abs=0.05)
    assert reference["visits"].edges == (1.0, 2.0)
    saved = spark.table(namespace.identifier("operations.feature_drift")).orderBy("column_name").collect()
    assert [(row.column_name, row.status) for row in saved] == [
        ("nothing", "stable"),
        ("spend", "drifted"),
        ("spend", "drifted"),
        ("visits", "stable"),
    ]
    assert saved[1].reasons[-1].startswith("effect size 0.")


def test_a_column_that_is_missing_is_named(spark: SparkSession) -> None:
    with pytest.raises(InvalidInput, match="The rows have no column spent"):
        reference_distributions(spark.createDataFrame([], "spend DOUBLE"), ["spend", "spent"])


#: So many columns as a feature table has: normal, skewed and mostly 0 ones, with NULL; every fifth one shifts.
MANY = [f"f{number:03}" for number in range(120)]


def many(seed: int, rows: int, *, shift: float) -> NDArray[np.float64]:
    """Return rows by `MANY`."""
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(rows, len(MANY)))
    values[:, 1::3] = np.exp(values[:, 1::3])
    values[:, 2::3] = np.where(draw.random((rows, len(MANY[2::3]))) < 0.6, 0.0, np.abs(values[:, 2::3]).round(1))
    values[:, ::5] += shift
    values[draw.random(values.shape) < 0.03] = np.nan
    return values


def index_of(edges: Sequence[float], before: NDArray[np.float64], now: NDArray[np.float64]) -> float:
    """Return the population stability index, by a histogram of numpy over the joined bins and those of NULL and 0."""
    size = -(-(len(edges) + 1) // 10)
    ends = [-np.inf, *[edge for place, edge in enumerate(edges, 1) if place % size == 0], np.inf]
    # A bin of numpy begins with its lower end, and one of ours ends with its upper one: so everything is negated.
    upside_down = -np.array(ends[::-1])
    shares = []
    for values in (before, now):
        present = values[~np.isnan(values)]
        found = np.histogram(-present[present != 0], bins=upside_down)[0][::-1]
        bins = np.concatenate([[np.isnan(values).sum(), (present == 0).sum()], found]) + 0.5
        shares.append(bins / bins.sum())
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


@pytest.mark.parametrize("kind", ["STRING", "DATE", "TIMESTAMP", "ARRAY<INT>", "BINARY"])
def test_a_column_that_holds_no_numbers_is_refused_by_name(spark: SparkSession, kind: str) -> None:
    """A text would be cast: '1' counted, and 'a' an error of Spark in the middle of a run."""
    rows, reference = spark.createDataFrame([], f"c {kind}"), array_distributions({"c": np.ones(3)})

    for measure in (lambda: reference_distributions(rows, ["c"]), lambda: current_distributions(rows, reference)):
        with pytest.raises(InvalidInput, match=f"(?s)'c' is {kind}, and drift is measured of numbers"):
            measure()


def test_a_hundred_and_twenty_columns_are_as_numpy_and_scipy_have_them(spark: SparkSession) -> None:
    stats = pytest.importorskip("scipy.stats", reason="comes with scikit-learn, which the library does not need")
    before, now = many(1, 4000, shift=0.0), many(2, 3000, shift=0.5)
    reference = array_distributions(dict(zip(MANY, before.T, strict=True)))
    types = ", ".join(f"{name} DOUBLE" for name in MANY)
    rows = spark.createDataFrame(now.tolist(), types).repartition(3)

    results = measure_drift(reference, current_distributions(rows, reference), DriftThresholds(psi=10, effect=10))

    for place, (name, result) in enumerate(zip(MANY, results, strict=True)):
        left, right = ([value for value in side[:, place] if value == value] for side in (before, now))
        assert result.psi == pytest.approx(index_of(reference[name].edges, before[:, place], now[:, place]), rel=1e-9)
        # It is read at the percentiles only: at most the exact one, and less by a percent or two of the rows.
        exact = stats.ks_2samp(left, right).statistic
        assert exact - 0.02 <= result.ks <= exact + 1e-12
        pooled = np.sqrt((np.var(left) * len(left) + np.var(right) * len(right)) / (len(left) + len(right) - 2))
        assert result.effect == pytest.approx((np.mean(right) - np.mean(left)) / pooled, rel=1e-9)
        assert result.null_change == pytest.approx(np.isnan(now[:, place]).mean() - np.isnan(before[:, place]).mean())
    assert [result.column for result in results if result.status == "drifted"] == MANY[::5]


def test_all_columns_are_counted_by_one_scan_without_a_shuffle(spark: SparkSession, tmp_path: Path) -> None:
    rows = empty_source(spark, tmp_path / "features", ", ".join(f"{name} DOUBLE" for name in MANY))

    plan = plan_of(counts(rows, dict.fromkeys(MANY, (1.0, 2.0))))

    assert plan.reads == {"features": 1}
    assert len(plan.python) == 1
    assert not any(step.name.startswith("Exchange") for step in plan.steps)


def test_a_reference_from_memory_is_that_of_spark(spark: SparkSession) -> None:
    values = many(3, 2000, shift=0.0)[:, :6]
    rows = spark.createDataFrame(values.tolist(), ", ".join(f"{name} DOUBLE" for name in MANY[:6])).repartition(2)

    here, there = array_distributions(dict(zip(MANY, values.T, strict=False))), reference_distributions(rows, MANY[:6])

    assert {name: replace(item, mean=0.0, squares=0.0) for name, item in here.items()} == {
        name: replace(item, mean=0.0, squares=0.0) for name, item in there.items()
    }
    for name, item in here.items():
        assert (item.mean, item.squares) == pytest.approx((there[name].mean, there[name].squares))
