"""A training as a run of MLflow, and its model as the challenger."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
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
from databricks_utils.models import ModelRegistry, ModelVersion

from {{ cookiecutter.package_name }}.features.refresh import first_event_day, last_event_day
from {{ cookiecutter.package_name }}.features.registry import COLUMNS, TABLES
from {{ cookiecutter.package_name }}.models.card import write_card
from {{ cookiecutter.package_name }}.models.definitions import ModelDefinition
from {{ cookiecutter.package_name }}.models.examples import examples, moments
from {{ cookiecutter.package_name }}.models.explanations import weights_to_json
from {{ cookiecutter.package_name }}.models.families import Family, family_named
from {{ cookiecutter.package_name }}.models.places import (
    CURVES,
    DEFINED_AS,
    DEFINITIONS,
    EXPLANATIONS,
    FEATURES,
    IMPORTANCE,
    LEARNED_FROM,
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
        definitions: Fingerprint of what each feature meant; a model keeps them.
    """

    rows: pd.DataFrame
    observed_at: Sequence[datetime]
    versions: dict[str, int]
    definitions: Mapping[str, str] = field(default_factory=dict)


def months_unseen(lakehouse: Lakehouse, store: FeatureStore, version: ModelVersion) -> int:
    """Return how many months are complete by now that a version has neither learned from nor been tested on."""
    import mlflow

    tested = mlflow.MlflowClient().get_run(version.run_id).data.params.get("test_moment", "")
    return sum(f"{moment:%Y-%m-%d}" > tested for moment in _observed(lakehouse, store)[2])


def _observed(lakehouse: Lakehouse, store: FeatureStore) -> tuple[date, date, list[datetime]]:
    """Return the first and the last day of the events, and the moments of the examples between them."""
    events = lakehouse.read(TABLES[0].source.table)
    first, last = (edge(events, store, TABLES[0].name) for edge in (first_event_day, last_event_day))
    return first, last, moments(first, last)


def training_data(lakehouse: Lakehouse, store: FeatureStore) -> TrainingData:
    """Join every example with its features as they were known at its moment.

    Raises:
        InvalidInput: The data is too short to learn from.
    """
    events = lakehouse.read(TABLES[0].source.table)
    first, last, observed = _observed(lakehouse, store)
    if len(observed) < LEAST_MOMENTS:
        message = f"{first} to {last} has {len(observed)} months with a full past and future"
        raise InvalidInput(message, where="train", hint=f"{LEAST_MOMENTS} are needed: deliver more data")
    joined = create_training_set(store, examples(events, observed), COLUMNS, timestamp="observed_at").load_df()
    frame: Any = joined.toPandas()
    rows = frame.sort_values(["observed_at", "household_id"], kind="stable", ignore_index=True)
    names = [*(table.name for table in TABLES), *(table.source.table for table in TABLES)]
    versions = {name: lakehouse.version(name) for name in names}
    return TrainingData(rows, observed, versions, store.registry.fingerprints(COLUMNS))


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

    rows = data.rows
    family = family_named(str(opened.configuration.parameter("model_family")))
    splits = by_time(rows, COLUMNS, model.label)
    explain = reasons_wanted(opened.configuration) > 0
    if explain:
        family.require_explanations()
    trained = train(model, splits, COLUMNS, family, trials=trials, seed=seed, explain=explain)
    mlflow.set_experiment(experiment_id=experiment_of(opened))
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
        mlflow.log_text(curves_of(model, trained, data.observed_at[-1]), CURVES)
        definitions = {**data.definitions, **model.learned}
        mlflow.log_dict(definitions, DEFINITIONS)
        address = log_model(family, trained.estimator, definitions)
    version = registry.register(full_name(opened.configuration, model), run.info.run_id, address)
    write_card(model, version)
    return version, trained


def log_model(family: Family, estimator: Any, definitions: Mapping[str, str] | None = None) -> str:
    """Log a fitted estimator in the active run, so that plain MLflow loads it and answers as the project does.

    Args:
        family: What has learned.
        estimator: Fitted on the registered features, in their order.
        definitions: What these features and the label mean.

    Returns:
        The address to register it from.
    """
    import mlflow
    import mlflow.pyfunc

    # Left to itself MLflow copies the project's lock file into the model, and whoever sets the model up from it would
    # look for the library's wheel, which is in the project's folder and nowhere else.
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    with TemporaryDirectory() as folder:
        path = Path(folder, "estimator.pkl")
        path.write_bytes(pickle.dumps(estimator))
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("answering.py")),
            artifacts={"estimator": str(path)},
            signature=_signature(),
            input_example=np.zeros((1, len(COLUMNS))),
            # Said here, since MLflow would find them by loading the model in a process of its own.
            pip_requirements=[f"mlflow=={mlflow.__version__}", *_pinned("numpy", "sklearn", family.package)],
            metadata={LEARNED_FROM: list(COLUMNS), DEFINED_AS: dict(definitions or {})},
        )
    return str(info.model_uri)


def _pinned(*packages: str) -> list[str]:
    """Return the distributions that packages come from, with their versions here."""
    known = metadata.packages_distributions()
    names = sorted({known[package.partition(".")[0]][0] for package in packages})
    return [f"{name}=={metadata.version(name)}" for name in names]


def experiment_of(opened: Opened) -> str:
    """Return the id of the project's experiment, which is made when absent."""
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


def _signature() -> object:
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    number = np.dtype(np.float64)
    inputs, outputs = TensorSpec(number, (-1, len(COLUMNS))), TensorSpec(number, (-1,))
    return ModelSignature(inputs=Schema([inputs]), outputs=Schema([outputs]))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
