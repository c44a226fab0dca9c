from __future__ import annotations

import numpy as np
import pytest
from little_models import LEAVING, MODELS, SPENDING

from databricks_utils.models import (
    FAMILIES,
    Family,
    ModelDefinition,
    Split,
    Trained,
    charts,
    measure_predictions,
    train,
)
from databricks_utils.models.families import Array

for package in ("lightgbm", "optuna", "sklearn"):
    pytest.importorskip(package)

NAMES = ("signal", "noise")


def splits(model: ModelDefinition, rows: int = 300) -> tuple[Split, Split, Split]:
    """Return data in which the first feature decides and the second says nothing."""
    draw = np.random.default_rng(7)

    def part() -> Split:
        features = draw.normal(size=(rows, 2))
        features[:10, 0] = np.nan
        truth = np.nan_to_num(features[:, 0]) + draw.normal(scale=0.3, size=rows)
        return Split(features, (truth > 0).astype(float) if model.kind == "classifier" else 10 * truth)

    return part(), part(), part()


def trained(model: ModelDefinition, family: Family, seed: int = 3) -> Trained:
    return train(model, splits(model), NAMES, family, trials=2, seed=seed, explain=family.explainer is None)


@pytest.mark.parametrize("family", list(FAMILIES.values()), ids=list(FAMILIES))
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_model_learns_what_decides_and_says_that_it_looks_at_it(model: ModelDefinition, family: Family) -> None:
    found = trained(model, family)

    assert next(iter(found.importance)) == "signal"
    assert [weight.feature for weight in found.weights] in (list(NAMES), [])
    assert found.metrics["test_auc" if model is LEAVING else "test_r2"] > 0.8


@pytest.mark.parametrize("family", list(FAMILIES.values()), ids=list(FAMILIES))
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_same_seed_gives_the_same_model(model: ModelDefinition, family: Family) -> None:
    first, second = trained(model, family), trained(model, family)

    assert first.settings == second.settings
    assert first.metrics == second.metrics
    assert first.predictions.tolist() == second.predictions.tolist()


def test_another_seed_searches_elsewhere() -> None:
    family = FAMILIES["lightgbm"]

    assert trained(SPENDING, family, seed=4).settings != trained(SPENDING, family).settings


@pytest.mark.parametrize("label", [np.zeros(40), np.ones(40)], ids=["none", "all"])
def test_where_all_labels_are_alike_nothing_is_known_and_no_number_is_missing(label: Array) -> None:
    metrics = measure_predictions(LEAVING, label, np.full(40, 0.2))

    assert all(np.isfinite(value) for value in metrics.values())
    assert (metrics["auc_low"], metrics["auc_high"]) == (0.0, 1.0)


def test_a_chart_marks_what_is_over_the_limit_and_escapes_names() -> None:
    chart = charts.bars("Drift", {"a<b": 0.1, "over": 0.4}, limit=0.2)

    assert chart.count('class="over"') == 1
    assert chart.count('class="bar"') == 1
    assert "a&lt;b" in chart
