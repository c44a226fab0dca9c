"""Where models are: names in the registry, the experiment, the tables of scores and measurements."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from databricks_utils.config import Configuration
from databricks_utils.errors import InvalidInput
from databricks_utils.models import ModelRegistry, ModelVersion, open_registry

from {{ cookiecutter.package_name }}.models.definitions import ModelDefinition

SCORES = "gold.household_scores"
PERFORMANCE = "operations.model_performance"
#: Artifacts of a training run.
FEATURES, PREDICTIONS, EXPLANATIONS, CURVES = "features.json", "predictions.json", "explanations.json", "curves.json"
IMPORTANCE = "importance.json"


def full_name(configuration: Configuration, model: ModelDefinition) -> str:
    """Return catalog.schema.model, under which a model is registered here and in Unity Catalog."""
    return f"{configuration.catalog}.{configuration.schemas.gold}.{model.name}"


def reasons_wanted(configuration: Configuration) -> int:
    """Return how many reasons go with each score; 0 where predictions are not explained at all.

    Raises:
        InvalidInput: It is no such number.
    """
    wanted = configuration.parameter("reasons")
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 0:
        hint = "Write a whole number, 0 for no explanations"
        raise InvalidInput(f"reasons is {wanted!r}", where="config: parameters.reasons", hint=hint)
    return wanted


def registry_of(configuration: Configuration) -> ModelRegistry:
    """Open the registry of an environment, and tell MLflow about it."""
    models = configuration.models
    if models.tracking_uri.startswith("sqlite:///"):
        Path(models.tracking_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    # Bars for files of a few kilobytes would fill the terminal, and the log of a job.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    mlflow.set_tracking_uri(models.tracking_uri)
    mlflow.set_registry_uri(models.registry_uri)
    return open_registry(models.tracking_uri, models.registry_uri)


def champion_of(configuration: Configuration, registry: ModelRegistry, model: ModelDefinition) -> ModelVersion:
    """Return the version in use.

    Raises:
        InvalidInput: No version has been promoted yet.
    """
    found = registry.champion(full_name(configuration, model))
    if found is None:
        hint = f"Train one and promote it: train, then promote --model {model.name} --approved-by NAME"
        raise InvalidInput(f"{model.name} has no champion", where=full_name(configuration, model), hint=hint)
    return found


def loaded(version: ModelVersion) -> Any:
    """Return the fitted estimator of a version."""
    import mlflow.sklearn

    return mlflow.sklearn.load_model(version.uri)


def artifact(version: ModelVersion, name: str) -> str:
    """Return a text that the training run has left."""
    import mlflow.artifacts

    return str(mlflow.artifacts.load_text(f"runs:/{version.run_id}/{name}"))
