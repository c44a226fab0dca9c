"""Which models the gates of production let pass. Without Spark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from databricks_utils.config import load_configuration
from databricks_utils.errors import InvalidInput
from databricks_utils.models import ModelDefinition, gate_failures, measure_predictions
from databricks_utils.models.definition import Parameter
from databricks_utils.models.families import Array

from {{ cookiecutter.package_name }}.models.definitions import CHURN, SPEND
from {{ cookiecutter.package_name }}.models.project import MODEL_PROJECT

ROOT = Path(__file__).resolve().parents[2]


def production() -> Parameter:
    """Return the parameters of base.yaml, which those of the small sample do not replace."""
    return load_configuration(ROOT / "config", "prod").parameter


def measured(label: Array, prediction: Array, model: ModelDefinition = CHURN) -> dict[str, float]:
    return {f"test_{name}": value for name, value in measure_predictions(model, label, prediction).items()}


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
def test_where_nobody_or_everybody_goes_a_gate_is_closed(label: Array) -> None:
    assert {"test_positives", "test_skill_low"} & set(closed(measured(label, np.full(40, 0.2))))


def test_an_unknown_model_is_named_with_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="household_churn"):
        MODEL_PROJECT.model("household_chrun")
