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

from databricks_utils.config import Configuration
from databricks_utils.errors import InvalidInput
from databricks_utils.features import (
    FeatureStore,
    array_distributions,
    create_training_set,
    distributions_to_json,
    first_event_day,
    last_event_day,
)
from databricks_utils.models.definition import ModelDefinition, ModelProject
from databricks_utils.models.explanations import weights_to_json
from databricks_utils.models.families import Family, find_family
from databricks_utils.models.registry import ModelRegistry, ModelVersion
from databricks_utils.models.training import Trained, calibration_to_json, split_by_time, train
from databricks_utils.models.version_card import write_card
from databricks_utils.models.versions import (
    CURVES,
    DEFINED_AS,
    DEFINITIONS,
    EXPLANATIONS,
    FEATURES,
    IMPORTANCE,
    LEARNED_FROM,
    PREDICTIONS,
    reason_count,
    registered_name,
)
from databricks_utils.pipeline import Lakehouse

if TYPE_CHECKING:
    import pandas as pd

#: Months: one tests, one validates, and at least one trains.
LEAST_MOMENTS = 3


@dataclass(frozen=True)
class TrainingData:
    """Examples with their features.

    Args:
        rows: key, observed_at, labels and features, sorted; read once for all models.
        observed_at: Their moments.
        versions: Delta version of every table that was read.
        definitions: Fingerprint of what each feature meant; a model keeps them.
    """

    rows: pd.DataFrame
    observed_at: Sequence[datetime]
    versions: dict[str, int]
    definitions: Mapping[str, str] = field(default_factory=dict)


def count_unseen_months(lakehouse: Lakehouse, store: FeatureStore, project: ModelProject, version: ModelVersion) -> int:
    """Return how many months are complete by now that a version has neither learned from nor been tested on."""
    import mlflow

    tested = mlflow.MlflowClient().get_run(version.run_id).data.params.get("test_moment", "")
    return sum(f"{moment:%Y-%m-%d}" > tested for moment in _observed(lakehouse, store, project)[2])


def _observed(lakehouse: Lakehouse, store: FeatureStore, project: ModelProject) -> tuple[date, date, list[datetime]]:
    """Return the first and the last day of the events, and the moments of the examples between them."""
    events = lakehouse.read(project.events)
    first, last = (edge(events, store, project.tables[0].name) for edge in (first_event_day, last_event_day))
    return first, last, project.moments(first, last)


def read_training_data(lakehouse: Lakehouse, store: FeatureStore, project: ModelProject) -> TrainingData:
    """Join every example with its features as they were known at its moment.

    Raises:
        InvalidInput: The data is too short to learn from.
    """
    events = lakehouse.read(project.events)
    first, last, observed = _observed(lakehouse, store, project)
    if len(observed) < LEAST_MOMENTS:
        message = f"{first} to {last} has {len(observed)} months with a full past and future"
        raise InvalidInput(message, where="train", hint=f"{LEAST_MOMENTS} are needed: deliver more data")
    examples, columns = project.examples(events, observed), project.columns
    frame: Any = create_training_set(store, examples, columns, timestamp="observed_at").load_df().toPandas()
    rows = frame.sort_values(["observed_at", project.key], kind="stable", ignore_index=True)
    names = [*(table.name for table in project.tables), *(table.source.table for table in project.tables)]
    versions = {name: lakehouse.version(name) for name in names}
    return TrainingData(rows, observed, versions, store.registry.fingerprints(columns))


def run_training(
    configuration: Configuration,
    project: ModelProject,
    registry: ModelRegistry,
    model: ModelDefinition,
    data: TrainingData,
    *,
    experiment: str,
    trials: int,
    seed: int,
) -> tuple[ModelVersion, Trained]:
    """Train a model, log the run, and register the result as the challenger.

    Args:
        configuration: Of the environment.
        project: Whose model it is.
        registry: Of the environment.
        model: What to train.
        data: Examples with features.
        experiment: Name of the experiment where the configuration gives none.
        trials: Settings to try.
        seed: Of everything that is drawn.

    Raises:
        InvalidInput: The configuration names a family that there is not.
        MissingTool: What the family needs is missing; nothing has been tried then.
    """
    import mlflow

    rows, columns = data.rows, project.columns
    family = find_family(str(configuration.parameter("model_family")), project.families)
    splits = split_by_time(rows, columns, model.label)
    explain = reason_count(configuration) > 0
    if explain:
        family.require_explanations()
    trained = train(model, splits, columns, family, trials=trials, seed=seed, explain=explain)
    mlflow.set_experiment(experiment_id=open_experiment(configuration, experiment))
    with mlflow.start_run(run_name=model.name) as run:
        mlflow.log_params({**trained.settings, "seed": seed, "trials": trials, "features": len(columns)})
        mlflow.log_params(_noted(family))
        mlflow.log_params({"rows": len(rows), "rows_hash": _hash(rows.to_csv(index=False))})
        mlflow.log_params({f"version_of.{name}": version for name, version in data.versions.items()})
        mlflow.log_params({"first_moment": f"{data.observed_at[0]:%F}", "test_moment": f"{data.observed_at[-1]:%F}"})
        mlflow.log_metrics(trained.metrics)
        held = {name: rows[name].to_numpy(dtype=np.float64) for name in columns}
        mlflow.log_text(distributions_to_json(array_distributions(held)), FEATURES)
        mlflow.log_text(distributions_to_json(array_distributions({"score": trained.predictions})), PREDICTIONS)
        mlflow.log_text(json.dumps(trained.importance), IMPORTANCE)
        mlflow.log_text(weights_to_json(trained.weights, trained.importance), EXPLANATIONS)
        mlflow.log_text(calibration_to_json(model, trained, data.observed_at[-1]), CURVES)
        definitions = {**data.definitions, **project.label_meaning(model)}
        mlflow.log_dict(definitions, DEFINITIONS)
        address = log_model(family, trained.estimator, columns, definitions)
    version = registry.register(registered_name(configuration, project, model), run.info.run_id, address)
    write_card(project, model, version)
    return version, trained


def log_model(
    family: Family, estimator: Any, columns: tuple[str, ...], definitions: Mapping[str, str] | None = None
) -> str:
    """Log a fitted estimator in the active run, so that plain MLflow loads it and answers as this library does.

    Args:
        family: What has learned.
        estimator: Fitted on the registered features, in their order.
        columns: Names of these features.
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
            signature=_signature(len(columns)),
            input_example=np.zeros((1, len(columns))),
            # Said here, since MLflow would find them by loading the model in a process of its own.
            pip_requirements=[f"mlflow=={mlflow.__version__}", *_pinned("numpy", "sklearn", family.package)],
            metadata={LEARNED_FROM: list(columns), DEFINED_AS: dict(definitions or {})},
        )
    return str(info.model_uri)


def _pinned(*packages: str) -> list[str]:
    """Return the distributions that packages come from, with their versions here."""
    known = metadata.packages_distributions()
    names = sorted({known[package.partition(".")[0]][0] for package in packages})
    return [f"{name}=={metadata.version(name)}" for name in names]


def open_experiment(configuration: Configuration, name: str) -> str:
    """Return the id of an experiment, which is made when absent: the configuration's, or that of the name."""
    import mlflow

    settings = configuration.models
    name = settings.experiment or name
    found = mlflow.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    return str(mlflow.create_experiment(name, artifact_location=_uri(settings.artifacts)))


def _noted(family: Family) -> dict[str, object]:
    """Return what makes a training repeatable, beside its seed and its data."""
    fixed = {f"fixed.{name}": value for name, value in family.fixed.items()}
    return {"family": family.name, "family_version": family.version(), **fixed}


def _uri(folder: str | None) -> str | None:
    return None if folder is None else Path(folder).as_uri()


def _signature(count: int) -> object:
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    number = np.dtype(np.float64)
    inputs, outputs = TensorSpec(number, (-1, count)), TensorSpec(number, (-1,))
    return ModelSignature(inputs=Schema([inputs]), outputs=Schema([outputs]))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
