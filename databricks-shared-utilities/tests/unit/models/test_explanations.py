from __future__ import annotations

import json

import numpy as np
import pytest
from little_models import MODELS

from databricks_utils.errors import InvalidInput, MissingTool
from databricks_utils.models import (
    FAMILIES,
    Contributions,
    Family,
    ModelDefinition,
    find_family,
    find_reasons,
    identify_family,
    weigh_features,
    weights_to_json,
)
from databricks_utils.models.families import Array

# Estimators of other families are for those Python versions alone in which the harness has their packages.
pytest.importorskip("lightgbm")
pytest.importorskip("sklearn")

NAMES = ("raises", "lowers", "noise")
SETTINGS = {
    "lightgbm": {"n_estimators": 20, "min_child_samples": 5},
    "scikit-learn": {"max_iter": 20, "min_samples_leaf": 5},
}


def rows(count: int = 200) -> Array:
    features = np.random.default_rng(5).normal(size=(count, len(NAMES)))
    features[::9, 0] = np.nan
    return features


def fitted(family: Family, model: ModelDefinition) -> object:
    features = rows()
    truth = 3 * np.nan_to_num(features[:, 0], nan=-1.0) - features[:, 1]
    label = (truth > 0).astype(float) if model.kind == "classifier" else truth
    return family.estimator(model.kind, SETTINGS[family.name], 3).fit(features, label)


@pytest.fixture(params=list(FAMILIES.values()), ids=list(FAMILIES))
def family(request: pytest.FixtureRequest) -> Family:
    """Return each family that predictions can be explained of here."""
    found: Family = request.param
    if found.explainer is not None:
        pytest.importorskip("shap", reason="an extra, of Python 3.12 and newer")
    return found


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_contributions_add_up_to_the_prediction(family: Family, model: ModelDefinition) -> None:
    estimator, features = fitted(family, model), rows()

    found = family.contributions(estimator, features)

    assert found.values.shape == features.shape
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), family.raw(estimator, features), atol=1e-9)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_base_is_the_mean_over_the_training(family: Family, model: ModelDefinition) -> None:
    estimator, features = fitted(family, model), rows()

    found = family.contributions(estimator, features)

    assert found.base == pytest.approx(float(family.raw(estimator, features).mean()), abs=0.05)


def test_weights_say_what_counts_and_in_which_direction(family: Family) -> None:
    estimator, features = fitted(family, MODELS[1]), rows()

    weights = weigh_features(family.contributions(estimator, features), features, NAMES)

    assert [weight.feature for weight in weights] == list(NAMES)
    assert weights[0].direction > 0.8
    assert weights[1].direction < -0.8


def test_reasons_are_the_greatest_contributions_of_each_row_with_its_values() -> None:
    features = np.array([[1.0, 2.0, np.nan], [4.0, 5.0, 6.0]])
    contributions = Contributions(0.5, np.array([[0.1, 0.0, -0.3], [0.0, 2.0, 1.0]]))

    found = find_reasons(contributions, features, NAMES, most=2)

    assert [[(reason.feature, reason.value, reason.contribution) for reason in row] for row in found] == [
        [("noise", None, -0.3), ("raises", 1.0, 0.1)],
        [("lowers", 5.0, 2.0), ("noise", 6.0, 1.0)],
    ]


def test_the_artifact_holds_weights_in_order_and_the_losses_beside_them() -> None:
    features = np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 0.0]])
    weights = weigh_features(Contributions(0.0, np.array([[1.0, 0.0, -3.0], [2.0, 0.0, 3.0]])), features, NAMES)

    found = json.loads(weights_to_json(weights, dict.fromkeys(NAMES, 0.25)))

    assert [item["feature"] for item in found] == ["noise", "raises", "lowers"]
    assert found[0] == {"feature": "noise", "contribution": 3.0, "direction": -1.0, "loss_when_shuffled": 0.25}
    assert found[2]["direction"] == 0.0


@pytest.mark.parametrize("name", FAMILIES)
def test_a_fitted_estimator_tells_its_family(name: str) -> None:
    assert identify_family(fitted(FAMILIES[name], MODELS[0]), FAMILIES).name == name


def test_an_unknown_family_is_named_with_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="lightgbm, scikit-learn"):
        find_family("xgboost", FAMILIES)


def test_what_explains_and_is_missing_is_said_before_anything_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "shap", None)

    FAMILIES["lightgbm"].require_explanations()
    with pytest.raises(MissingTool, match="uv add 'shap"):
        FAMILIES["scikit-learn"].require_explanations()


def test_a_library_that_does_not_load_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> object:
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr("databricks_utils.models.families.importlib.import_module", broken)

    with pytest.raises(MissingTool, match="apt-get install libgomp1"):
        FAMILIES["lightgbm"].estimator("classifier", {}, 1)
