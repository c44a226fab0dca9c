"""A training as a run of MLflow, and its model as the challenger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from databricks_utils.cli import Opened
from databricks_utils.errors import InvalidInput
from databricks_utils.features import (
    FeatureStore,
    array_distributions,
    create_training_set,
    distributions_to_json,
)
from databricks_utils.medallion import Lakehouse
from databricks_utils.models import ModelRegistry, ModelVersion, model_card

from {{ cookiecutter.package_name }}.features.refresh import first_event_day, last_event_day
from {{ cookiecutter.package_name }}.features.registry import COLUMNS, TABLES
from {{ cookiecutter.package_name }}.models.definitions import ModelDefinition
from {{ cookiecutter.package_name }}.models.examples import examples, moments
from {{ cookiecutter.package_name }}.models.explanations import weights_to_json
from {{ cookiecutter.package_name }}.models.families import Family, family_named
from {{ cookiecutter.package_name }}.models.places import (
    CURVES,
    EXPLANATIONS,
    FEATURES,
    IMPORTANCE,
    PREDICTIONS,
    full_name,
    reasons_wanted,
)
from {{ cookiecutter.package_name }}.models.training import Trained, by_time, curves_of, train

if TYPE_CHECKING:
    import pandas as pd

#: Months: one tests, one validates, and at least one trains.
LEAST_MOMENTS = 3


@dataclass(frozen=True)
class TrainingData:
    """Examples with their features.

    Args:
        rows: household_id, observed_at, labels and features, sorted; read once for all models.
        observed_at: Their moments.
        versions: Delta version of every table that was read.
    """

    rows: pd.DataFrame
    observed_at: Sequence[datetime]
    versions: dict[str, int]


def training_data(lakehouse: Lakehouse, store: FeatureStore) -> TrainingData:
    """Join every example with its features as they were known at its moment.

    Raises:
        InvalidInput: The data is too short to learn from.
    """
    shopping = TABLES[0]
    events = lakehouse.read(shopping.source.table)
    first, last = (edge(events, store, shopping.name) for edge in (first_event_day, last_event_day))
    observed = moments(first, last)
    if len(observed) < LEAST_MOMENTS:
        message = f"{first} to {last} has {len(observed)} months with a full past and future"
        raise InvalidInput(message, where="train", hint=f"{LEAST_MOMENTS} are needed: deliver more data")
    joined = create_training_set(store, examples(events, observed), COLUMNS, timestamp="observed_at").load_df()
    frame: Any = joined.toPandas()
    rows = frame.sort_values(["observed_at", "household_id"], kind="stable", ignore_index=True)
    names = [*(table.name for table in TABLES), *(table.source.table for table in TABLES)]
    return TrainingData(rows, observed, {name: lakehouse.version(name) for name in names})


def run_training(
    opened: Opened,
    registry: ModelRegistry,
    model: ModelDefinition,
    data: TrainingData,
    *,
    trials: int,
    seed: int,
) -> tuple[ModelVersion, Trained]:
    """Train a model, log the run, and register the result as the challenger.

    Args:
        opened: The project.
        registry: Of the environment.
        model: What to train.
        data: Examples with features.
        trials: Settings to try.
        seed: Of everything that is drawn.

    Raises:
        InvalidInput: The configuration names a family that there is not.
        MissingTool: What the family needs is missing; nothing has been tried then.
    """
    import mlflow
    import mlflow.sklearn

    rows = data.rows
    family = family_named(str(opened.configuration.parameter("model_family")))
    splits = by_time(rows, COLUMNS, model.label)
    explain = reasons_wanted(opened.configuration) > 0
    if explain:
        family.require_explanations()
    trained = train(model, splits, COLUMNS, family, trials=trials, seed=seed, explain=explain)
    mlflow.set_experiment(experiment_id=_experiment(opened))
    with mlflow.start_run(run_name=model.name) as run:
        mlflow.log_params({**trained.settings, "seed": seed, "trials": trials, "features": len(COLUMNS)})
        mlflow.log_params(_noted(family))
        mlflow.log_params({"rows": len(rows), "rows_hash": _hash(rows.to_csv(index=False))})
        mlflow.log_params({f"version_of.{name}": version for name, version in data.versions.items()})
        mlflow.log_params({"first_moment": f"{data.observed_at[0]:%F}", "test_moment": f"{data.observed_at[-1]:%F}"})
        mlflow.log_metrics(trained.metrics)
        held = {name: rows[name].to_numpy(dtype=np.float64) for name in COLUMNS}
        mlflow.log_text(distributions_to_json(array_distributions(held)), FEATURES)
        mlflow.log_text(distributions_to_json(array_distributions({"score": trained.predictions})), PREDICTIONS)
        mlflow.log_text(json.dumps(trained.importance), IMPORTANCE)
        mlflow.log_text(weights_to_json(trained.weights, trained.importance), EXPLANATIONS)
        mlflow.log_text(curves_of(model, trained), CURVES)
        info = mlflow.sklearn.log_model(trained.estimator, name="model", signature=_signature(model), **_format())
    version = registry.register(full_name(opened.configuration, model), run.info.run_id, info.model_uri)
    card = model_card(
        version,
        purpose=model.purpose,
        owner=TABLES[0].owner,
        features=COLUMNS,
        limits=model.limits,
        importance={weight.feature: weight.contribution for weight in trained.weights},
        unit=model.unit,
    )
    mlflow.MlflowClient().log_text(run.info.run_id, card, "model-card.md")
    return version, trained


def _experiment(opened: Opened) -> str:
    import mlflow

    models = opened.configuration.models
    name = models.experiment or opened.project.command
    found = mlflow.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    return str(mlflow.create_experiment(name, artifact_location=_uri(models.artifacts)))


def _noted(family: Family) -> dict[str, object]:
    """Return what makes a training repeatable, beside its seed and its data."""
    fixed = {f"fixed.{name}": value for name, value in family.fixed.items()}
    return {"family": family.name, "family_version": family.version(), **fixed}


def _uri(folder: str | None) -> str | None:
    return None if folder is None else Path(folder).as_uri()


def _signature(model: ModelDefinition) -> object:
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    kind = np.dtype(np.int64) if model.kind == "classifier" else np.dtype(np.float64)
    inputs = Schema([TensorSpec(np.dtype(np.float64), (-1, len(COLUMNS)))])
    return ModelSignature(inputs=inputs, outputs=Schema([TensorSpec(kind, (-1,))]))


def _format() -> dict[str, str]:
    return {"serialization_format": "cloudpickle"}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
