from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from databricks_utils.config import load_configuration
from databricks_utils.errors import InvalidInput
from databricks_utils.models import gate_failures

from {{ cookiecutter.package_name }}.models import charts
from {{ cookiecutter.package_name }}.models.definitions import (
    CHURN,
    MODELS,
    SPEND,
    ModelDefinition,
    Parameter,
    model_named,
)
from {{ cookiecutter.package_name }}.models.families import FAMILIES, Array, Family
from {{ cookiecutter.package_name }}.models.training import Split, Trained, metrics_of, train

ROOT = Path(__file__).resolve().parents[2]
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
    assert found.metrics["test_auc" if model is CHURN else "test_r2"] > 0.8


@pytest.mark.parametrize("family", list(FAMILIES.values()), ids=list(FAMILIES))
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_same_seed_gives_the_same_model(model: ModelDefinition, family: Family) -> None:
    first, second = trained(model, family), trained(model, family)

    assert first.settings == second.settings
    assert first.metrics == second.metrics
    assert first.predictions.tolist() == second.predictions.tolist()


def test_another_seed_searches_elsewhere() -> None:
    family = FAMILIES["lightgbm"]

    assert trained(SPEND, family, seed=4).settings != trained(SPEND, family).settings


def production() -> Parameter:
    """Return the parameters of base.yaml, which those of the small sample do not replace."""
    return load_configuration(ROOT / "config", "prod").parameter


def measured(label: Array, prediction: Array, model: ModelDefinition = CHURN) -> dict[str, float]:
    return {f"test_{name}": value for name, value in metrics_of(model, label, prediction).items()}


def closed(metrics: dict[str, float], model: ModelDefinition = CHURN, version: int = 1) -> list[str]:
    return [failure.partition(" ")[0] for failure in gate_failures(model.gates(production()), metrics, None, version)]


def probabilities(rows: int, seed: int = 5) -> tuple[Array, Array]:
    """Return what happened to households, one in twenty, and how probable that was for each."""
    draw = np.random.default_rng(seed)
    odds = -4.0 + 1.8 * draw.normal(size=rows)
    chance = 1 / (1 + np.exp(-odds))
    return (draw.random(rows) < chance).astype(float), chance


def test_a_model_that_says_the_base_rate_to_everybody_passes_no_gate_of_production() -> None:
    """Its Brier score is 0.03, and a limit of 0.25 on it would let it pass."""
    label = np.array([1.0] * 62 + [0.0] * 1938)
    metrics = measured(label, np.full(2000, 0.031))

    assert metrics["test_brier"] < 0.0301
    assert closed(metrics) == ["test_auc", "test_auc_low", "test_skill_low"]


def test_a_sound_model_passes_and_on_too_few_households_it_does_not() -> None:
    assert closed(measured(*probabilities(8000))) == []
    assert "test_positives" in closed(measured(*probabilities(200)))


def test_a_model_that_is_too_good_waits_for_somebody_to_look() -> None:
    """With a feature that knows the future every other gate is wide open."""
    label, _ = probabilities(8000)
    metrics = measured(label, np.clip(label, 0.01, 0.99))
    spend = np.random.default_rng(1).gamma(2.0, 80.0, 800)

    assert closed(metrics) == ["test_auc"]
    assert closed(measured(spend, spend + 1, SPEND), SPEND) == ["test_r2"]


def test_a_version_that_somebody_has_looked_at_passes_and_the_next_one_does_not() -> None:
    label, _ = probabilities(8000)
    metrics = measured(label, np.clip(label, 0.01, 0.99))
    seen = load_configuration(ROOT / "config", "prod", {"parameters.churn_acknowledged_version": "7"}).parameter

    assert gate_failures(CHURN.gates(seen), metrics, None, 7) == ()
    assert "parameters.churn_acknowledged_version: 8" in gate_failures(CHURN.gates(seen), metrics, None, 8)[0]


@pytest.mark.parametrize("label", [np.zeros(40), np.ones(40)], ids=["nobody", "everybody"])
def test_where_nobody_or_everybody_goes_nothing_is_known_and_no_number_is_missing(label: Array) -> None:
    metrics = measured(label, np.full(40, 0.2))

    assert all(np.isfinite(value) for value in metrics.values())
    assert (metrics["test_auc_low"], metrics["test_auc_high"]) == (0.0, 1.0)
    assert {"test_positives", "test_skill_low"} & set(closed(metrics))


def test_an_unknown_model_is_named_with_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="household_churn"):
        model_named("household_chrun")


def test_a_chart_marks_what_is_over_the_limit_and_escapes_names() -> None:
    chart = charts.bars("Drift", {"a<b": 0.1, "over": 0.4}, limit=0.2)

    assert chart.count('class="over"') == 1
    assert chart.count('class="bar"') == 1
    assert "a&lt;b" in chart
