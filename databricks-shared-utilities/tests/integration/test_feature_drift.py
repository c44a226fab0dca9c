"""Drift of several columns, counted by Spark in one pass."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from databricks_utils.delta import Namespace
from databricks_utils.errors import InvalidInput
from databricks_utils.features import current_distributions, measure_drift, reference_distributions, save_drift
from databricks_utils.features.distributions import distribution_of

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
