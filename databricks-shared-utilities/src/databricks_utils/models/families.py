"""Families of models: what learns, which settings are searched, and how its predictions are taken apart.

A project adds a third one by a `Family` of its own, in `ModelProject.families`. Each takes NULL as it is and gives the
same model for the same rows and seed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from databricks_utils.errors import InvalidInput, MissingTool

Array = NDArray[np.float64]
#: What a model predicts: a probability, or an amount.
Kind = Literal["classifier", "regressor"]


@dataclass(frozen=True)
class Contributions:
    """What the features add to predictions.

    For each row base + sum of its values = the raw prediction: log odds of a classifier, the amount of a regressor.

    Args:
        base: The prediction where nothing is known of a row: the mean over the training.
        values: Rows by features, in units of the raw prediction.
    """

    base: float
    values: Array


@dataclass(frozen=True)
class Family:
    """Something that learns.

    Args:
        name: As the configuration's parameter `model_family` has it.
        package: What has to be importable.
        classes: Its estimator for each kind of model.
        suggest: Settings of a trial of optuna.
        raw: Raw predictions of a fitted estimator.
        contributions: Takes raw predictions apart.
        fixed: Settings that are not searched; those that make a training repeatable are among them.
        explainer: Gives the package that takes predictions apart, where that is another one.
    """

    name: str
    package: str
    classes: Mapping[Kind, str]
    suggest: Callable[[Any], dict[str, Any]]
    raw: Callable[[Any, Array], Array]
    contributions: Callable[[Any, Array], Contributions]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    explainer: Callable[[], Any] | None = None

    def estimator(self, kind: Kind, settings: Mapping[str, Any], seed: int) -> Any:
        """Return an estimator that is not fitted yet.

        Args:
            kind: What it predicts.
            settings: From `suggest`.
            seed: Of everything it draws.

        Raises:
            MissingTool: The package is not installed, or does not load.
        """
        made = getattr(_imported(self.package), self.classes[kind])
        return made(random_state=seed, **self.fixed, **settings)

    def require_explanations(self) -> None:
        """Make sure that predictions can be taken apart, before anything long begins.

        Raises:
            MissingTool: A package is missing.
        """
        if self.explainer is not None:
            self.explainer()

    def version(self) -> str:
        """Return the version of its package, which a training notes."""
        return str(_imported(self.package.partition(".")[0]).__version__)


def find_family(name: str, families: Mapping[str, Family]) -> Family:
    """Return a family.

    Raises:
        InvalidInput: There is none of that name.
    """
    if name not in families:
        hint = f"Write one of {', '.join(families)}"
        raise InvalidInput(f"There is no family {name!r}", where="config: parameters.model_family", hint=hint)
    return families[name]


def identify_family(estimator: Any, families: Mapping[str, Family]) -> Family:
    """Return the family of a fitted estimator, such as a champion that was trained under another configuration.

    Raises:
        InvalidInput: It is of none.
    """
    package = type(estimator).__module__.partition(".")[0]
    for family in families.values():
        if family.package.partition(".")[0] == package:
            return family
    hint = "Describe its family in ModelProject.families"
    raise InvalidInput(f"Nothing is known of estimators of {package}", where="model_family", hint=hint)


def _imported(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        hint = "Run make setup"
        raise MissingTool(f"{package} is not installed: {error}", where="model_family", hint=hint) from error
    except OSError as error:
        # LightGBM's own library needs OpenMP, which is part of the system and not of its wheel.
        hint = (
            "Install OpenMP: `sudo apt-get install libgomp1` on Debian and Ubuntu, `brew install libomp` on macOS; "
            "or set parameters.model_family to scikit-learn"
        )
        raise MissingTool(f"{package} does not load: {error}", where="model_family", hint=hint) from error


def _lightgbm_settings(trial: Any) -> dict[str, Any]:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 4, 31),
        "min_child_samples": trial.suggest_int("min_child_samples", 10, 60),
        "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 10.0, log=True),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
        "n_estimators": trial.suggest_int("n_estimators", 50, 200, step=25),
    }


def _lightgbm_raw(estimator: Any, features: Array) -> Array:
    return np.asarray(estimator.booster_.predict(features, raw_score=True), dtype=np.float64)


def _lightgbm_contributions(estimator: Any, features: Array) -> Contributions:
    """Source: Lundberg et al., From local explanations to global understanding with explainable AI for trees, 2020."""
    found = np.asarray(estimator.booster_.predict(features, pred_contrib=True), dtype=np.float64)
    # The last column is the base, the same in every row.
    return Contributions(float(found[0, -1]) if len(found) else 0.0, found[:, :-1])


def _sklearn_settings(trial: Any) -> dict[str, Any]:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 4, 31),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 10, 60),
        "l2_regularization": trial.suggest_float("l2_regularization", 1e-3, 10.0, log=True),
        "max_iter": trial.suggest_int("max_iter", 50, 200, step=25),
    }


def _sklearn_raw(estimator: Any, features: Array) -> Array:
    found = getattr(estimator, "decision_function", estimator.predict)(features)
    return np.asarray(found, dtype=np.float64)


def _sklearn_contributions(estimator: Any, features: Array) -> Contributions:
    """Source: the package shap, which knows the trees of scikit-learn."""
    explainer = shap_package().TreeExplainer(estimator)
    values = np.asarray(explainer.shap_values(features), dtype=np.float64).reshape(features.shape)
    return Contributions(float(np.ravel(explainer.expected_value)[0]), values)


def shap_package() -> Any:
    """Return the package shap, which only models of scikit-learn need.

    Raises:
        MissingTool: It is not installed.
    """
    try:
        return importlib.import_module("shap")
    except ImportError as error:
        old = " (with Python 3.12 or newer; this is an older one)" if sys.version_info < (3, 12) else ""
        hint = f"uv add 'shap>=0.53'{old}, or set parameters.model_family to lightgbm, or parameters.reasons to 0"
        message = "shap explains scikit-learn's models, and is not installed"
        raise MissingTool(message, where="config: parameters.reasons", hint=hint) from error


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family(
            name="lightgbm",
            package="lightgbm",
            classes={"classifier": "LGBMClassifier", "regressor": "LGBMRegressor"},
            suggest=_lightgbm_settings,
            raw=_lightgbm_raw,
            contributions=_lightgbm_contributions,
            # One thread learns from tens of thousands of rows in a second, and adds up in one order.
            fixed={"deterministic": True, "force_row_wise": True, "n_jobs": 1, "verbose": -1},
        ),
        Family(
            name="scikit-learn",
            package="sklearn.ensemble",
            classes={"classifier": "HistGradientBoostingClassifier", "regressor": "HistGradientBoostingRegressor"},
            suggest=_sklearn_settings,
            raw=_sklearn_raw,
            contributions=_sklearn_contributions,
            fixed={"early_stopping": False},
            explainer=shap_package,
        ),
    )
}
