"""Training: examples by time, a seeded search, and one run with everything that explains the result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from databricks_utils.models.definition import ModelDefinition
from databricks_utils.models.explanations import Weight, weigh_features
from databricks_utils.models.families import Array, Family
from databricks_utils.models.intervals import Interval, auc_interval, average_precision_interval, skill_interval

if TYPE_CHECKING:
    import pandas as pd

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
        estimator: Fitted on training and validation.
        settings: What the search found best.
        metrics: By name; `test_…` of months that the model has not seen.
        importance: Loss of the headline metric when a feature is shuffled, greatest first.
        predictions: For the test rows.
        test: The test rows.
        weights: What features add to the predictions of the test rows, greatest first; empty where nobody asked.
    """

    estimator: Any
    settings: dict[str, Any]
    metrics: dict[str, float]
    importance: dict[str, float]
    predictions: Array
    test: Split
    weights: Sequence[Weight] = ()


def split_by_time(rows: pd.DataFrame, columns: tuple[str, ...], label: str) -> tuple[Split, Split, Split]:
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
    model: ModelDefinition,
    splits: tuple[Split, Split, Split],
    names: tuple[str, ...],
    family: Family,
    *,
    trials: int,
    seed: int,
    explain: bool = True,
) -> Trained:
    """Search settings on the validation month, fit once more with it, and measure on the test month.

    The same rows, seed and number of trials give the same model.

    Args:
        model: What is predicted.
        splits: Of `split_by_time`: what is learned from, searched on, tested on.
        names: Names of the features.
        family: What learns.
        trials: Settings to try.
        seed: Of the search and the model.
        explain: Whether to say what features add to predictions.

    Raises:
        MissingTool: The family's package is missing or does not load.
    """
    import optuna

    fitting, validation, test = splits
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    direction: Literal["maximize", "minimize"] = "maximize" if model.greater_is_better else "minimize"
    study = optuna.create_study(direction=direction, sampler=optuna.samplers.TPESampler(seed=seed))

    def objective(trial: optuna.Trial) -> float:
        fitted = family.estimator(model.kind, family.suggest(trial), seed).fit(fitting.features, fitting.label)
        return measure_predictions(model, validation.label, predict(model, fitted, validation.features))[model.headline]

    study.optimize(objective, n_trials=trials)
    best = dict(study.best_params)
    known = Split(
        np.concatenate([fitting.features, validation.features]), np.concatenate([fitting.label, validation.label])
    )
    estimator = family.estimator(model.kind, best, seed).fit(known.features, known.label)
    predictions = predict(model, estimator, test.features)
    metrics = {f"test_{name}": value for name, value in measure_predictions(model, test.label, predictions).items()}
    metrics[f"validation_{model.headline}"] = float(study.best_value)
    losses = measure_importance(model, estimator, test, names, seed)
    weights = weigh_features(family.contributions(estimator, test.features), test.features, names) if explain else []
    return Trained(estimator, best, metrics, losses, predictions, test, weights)


def predict(model: ModelDefinition, estimator: Any, features: Array) -> Array:
    """Return probabilities of a classifier, amounts of a regressor."""
    found = estimator.predict_proba(features)[:, 1] if model.kind == "classifier" else estimator.predict(features)
    return np.asarray(found, dtype=np.float64)


def measure_predictions(model: ModelDefinition, label: Array, prediction: Array) -> dict[str, float]:
    """Return what is measured of predictions whose truth is known.

    `…_low` and `…_high` are the ends of a 95 % interval. `skill` is the Brier skill score against the rate of these
    very rows, the best constant there is: 0 says as much as that constant, 1 everything. Sources are in
    `skill_interval`, `auc_interval` and `average_precision_interval`.
    """
    from sklearn import metrics

    skill = skill_interval(label, prediction)
    if model.kind == "classifier":
        positives = int(label.sum())
        both = 0 < positives < len(label)
        # Where all labels are alike, no order is better than another.
        area = float(metrics.roc_auc_score(label, prediction)) if both else 0.5
        precision = float(metrics.average_precision_score(label, prediction)) if both else float(label.mean())
        return {
            **_ends("auc", auc_interval(area, positives, len(label) - positives)),
            **_ends("average_precision", average_precision_interval(precision, positives if both else 0)),
            "brier": float(np.mean((prediction - label) ** 2)),
            **_ends("skill", skill),
            "rate": float(label.mean()),
            "positives": float(positives),
            "negatives": float(len(label) - positives),
        }
    return {
        "mae": float(metrics.mean_absolute_error(label, prediction)),
        **_ends("r2", skill),
        "bias": float(np.mean(prediction - label)),
    }


def measure_importance(
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


def calibration_to_json(model: ModelDefinition, trained: Trained, test_moment: datetime) -> str:
    """Return what the report draws of the test rows, as JSON: predicted and true means of ten equal parts, and when."""
    order = np.argsort(trained.predictions, kind="stable")
    parts = [part for part in np.array_split(order, 10) if len(part)]
    points = [[float(trained.predictions[part].mean()), float(trained.test.label[part].mean())] for part in parts]
    return json.dumps({"kind": model.kind, "points": points, "test_moment": f"{test_moment:%Y-%m-%d}"})


def _ends(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _split(rows: pd.DataFrame, columns: tuple[str, ...], label: str) -> Split:
    return Split(rows[list(columns)].to_numpy(dtype=np.float64), rows[label].to_numpy(dtype=np.float64))
