"""Training: examples by time, a seeded search, and one run with everything that explains the result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from {{ cookiecutter.package_name }}.models.definitions import ModelDefinition

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
#: Most rows that importance is measured on; more only take longer.
IMPORTANCE_ROWS = 2000


@dataclass(frozen=True)
class Split:
    """Examples of one part of the time.

    Args:
        features: Rows by features; NaN where nothing is known.
        label: One value for each row.
    """

    features: Array
    label: Array


@dataclass(frozen=True)
class Trained:
    """A fitted model with what was measured.

    Args:
        estimator: Of scikit-learn, fitted on training and validation.
        settings: What the search found best.
        metrics: By name; `test_…` of months that the model has not seen.
        importance: Loss of the headline metric when a feature is shuffled, greatest first.
        predictions: For the test rows.
        test: The test rows.
    """

    estimator: Any
    settings: dict[str, Any]
    metrics: dict[str, float]
    importance: dict[str, float]
    predictions: Array
    test: Split


def by_time(rows: pd.DataFrame, columns: tuple[str, ...], label: str) -> tuple[Split, Split, Split]:
    """Split examples at moments: the last month tests, the one before it validates, the others train.

    Neighbouring months do not overlap: the future of one ends before the next one's is looked at, but for a day of
    months that have 31.

    Args:
        rows: observed_at, the features, the label.
        columns: Feature columns.
        label: The label's column.
    """
    observed = sorted(rows["observed_at"].unique())
    parts = (observed[:-2], observed[-2:-1], observed[-1:])
    train, validation, test = (_split(rows[rows["observed_at"].isin(part)], columns, label) for part in parts)
    return train, validation, test


def train(
    model: ModelDefinition, splits: tuple[Split, Split, Split], names: tuple[str, ...], *, trials: int, seed: int
) -> Trained:
    """Search settings on the validation month, fit once more with it, and measure on the test month.

    The same rows, seed and number of trials give the same model.

    Args:
        model: What is predicted.
        splits: Of `by_time`.
        names: Names of the features.
        trials: Settings to try.
        seed: Of the search and the model.
    """
    import optuna

    fitting, validation, test = splits
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    direction = "maximize" if model.greater_is_better else "minimize"
    study = optuna.create_study(direction=direction, sampler=optuna.samplers.TPESampler(seed=seed))

    def objective(trial: optuna.Trial) -> float:
        fitted = estimator_of(model, suggested(trial), seed).fit(fitting.features, fitting.label)
        return metrics_of(model, validation.label, predicted(model, fitted, validation.features))[model.headline]

    study.optimize(objective, n_trials=trials)
    best = dict(study.best_params)
    known = Split(
        np.concatenate([fitting.features, validation.features]), np.concatenate([fitting.label, validation.label])
    )
    estimator = estimator_of(model, best, seed).fit(known.features, known.label)
    predictions = predicted(model, estimator, test.features)
    metrics = {f"test_{name}": value for name, value in metrics_of(model, test.label, predictions).items()}
    metrics[f"validation_{model.headline}"] = float(study.best_value)
    return Trained(estimator, best, metrics, importance_of(model, estimator, test, names, seed), predictions, test)


def suggested(trial: Any) -> dict[str, Any]:
    """Return the settings of a trial."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 4, 31),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 10, 60),
        "l2_regularization": trial.suggest_float("l2_regularization", 1e-3, 10.0, log=True),
        "max_iter": trial.suggest_int("max_iter", 50, 200, step=25),
    }


def estimator_of(model: ModelDefinition, settings: dict[str, Any], seed: int) -> Any:
    """Return an estimator that is not fitted yet; gradient boosting takes NULL as it is."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if model.kind == "classifier" else HistGradientBoostingRegressor
    return kind(random_state=seed, early_stopping=False, **settings)


def predicted(model: ModelDefinition, estimator: Any, features: Array) -> Array:
    """Return probabilities of a classifier, amounts of a regressor."""
    found = estimator.predict_proba(features)[:, 1] if model.kind == "classifier" else estimator.predict(features)
    return np.asarray(found, dtype=np.float64)


def metrics_of(model: ModelDefinition, label: Array, prediction: Array) -> dict[str, float]:
    """Return what is measured of predictions whose truth is known."""
    from sklearn import metrics

    if model.kind == "classifier":
        both = len(np.unique(label)) > 1
        return {
            # Where everybody churns, or nobody, no order is better than another.
            "auc": float(metrics.roc_auc_score(label, prediction)) if both else 0.5,
            "average_precision": float(metrics.average_precision_score(label, prediction))
            if both
            else float(label.mean()),
            "brier": float(np.mean((prediction - label) ** 2)),
            "rate": float(label.mean()),
        }
    return {
        "mae": float(metrics.mean_absolute_error(label, prediction)),
        "r2": float(metrics.r2_score(label, prediction)),
        "bias": float(np.mean(prediction - label)),
    }


def importance_of(
    model: ModelDefinition, estimator: Any, test: Split, names: tuple[str, ...], seed: int
) -> dict[str, float]:
    """Return by how much the model gets worse when a feature is shuffled over the test rows.

    Source: Breiman, Random Forests, 2001, section 10.
    """
    from sklearn.inspection import permutation_importance

    scoring = "roc_auc" if model.kind == "classifier" else "neg_mean_absolute_error"
    rows = (
        test
        if len(test.label) <= IMPORTANCE_ROWS
        else Split(test.features[:IMPORTANCE_ROWS], test.label[:IMPORTANCE_ROWS])
    )
    if model.kind == "classifier" and len(np.unique(rows.label)) < 2:
        return dict.fromkeys(names, 0.0)
    found = permutation_importance(
        estimator, rows.features, rows.label, scoring=scoring, n_repeats=3, random_state=seed
    )
    pairs = zip(names, (float(value) for value in found.importances_mean), strict=True)
    return dict(sorted(pairs, key=lambda pair: -pair[1]))


def curves_of(model: ModelDefinition, trained: Trained) -> str:
    """Return what the report draws of the test rows, as JSON: predicted and true means of ten equal parts."""
    order = np.argsort(trained.predictions, kind="stable")
    parts = [part for part in np.array_split(order, 10) if len(part)]
    points = [[float(trained.predictions[part].mean()), float(trained.test.label[part].mean())] for part in parts]
    return json.dumps({"kind": model.kind, "points": points})


def _split(rows: pd.DataFrame, columns: tuple[str, ...], label: str) -> Split:
    return Split(rows[list(columns)].to_numpy(dtype=np.float64), rows[label].to_numpy(dtype=np.float64))
