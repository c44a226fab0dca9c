"""Versions in the registry of an environment: their names, what they were trained on, and loading one to answer."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from databricks_utils.config import Configuration
from databricks_utils.errors import InvalidInput, LakehouseError
from databricks_utils.features import require_same_definitions
from databricks_utils.models.definition import ModelDefinition, ModelProject
from databricks_utils.models.families import Array
from databricks_utils.models.registry import ModelRegistry, ModelVersion, open_registry

_LOG = logging.getLogger(__name__)
#: Artifacts of a training run.
FEATURES, PREDICTIONS, EXPLANATIONS, CURVES = "features.json", "predictions.json", "explanations.json", "curves.json"
IMPORTANCE, DEFINITIONS = "importance.json", "feature-definitions.json"
#: What a registered model says of itself: the features that it was trained on, in their order, and the fingerprints of
#: their definitions.
LEARNED_FROM, DEFINED_AS = "features", "feature_definitions"


class UnusableModel(LakehouseError):
    """A registered model that gives no answer."""


@dataclass(frozen=True)
class Contender:
    """A version that may answer.

    Args:
        version: Of the registry.
        model: What MLflow has loaded; see databricks_utils/models/answering.py.
    """

    version: ModelVersion
    model: Any

    @property
    def estimator(self) -> Any:
        """The fitted estimator, which explanations are made from."""
        return self.model.estimator

    def answer(self, features: Array) -> Array:
        """Return the scores of rows, by the same code that answers on an endpoint.

        Raises:
            UnusableModel: The model breaks off, or what it says is no number.
        """
        try:
            found = np.asarray(self.model.predict(None, features), dtype=np.float64)
        except Exception as error:  # whatever a learner's package raises
            hint = "Compare the packages here with its requirements.txt, or train again and promote"
            raise UnusableModel(f"The model gives no answer: {error}", where=self.version.uri, hint=hint) from error
        strange = found[~np.isfinite(found)]
        if len(strange):
            hint = "Look at the features of these entities, or take the version back: rollback"
            said = f"The model answers {strange[0]}, of {len(strange)} of {len(found)} entities"
            raise UnusableModel(said, where=self.version.uri, hint=hint)
        return found

    def number(self, features: Array) -> float:
        """Return the score of one row.

        Raises:
            UnusableModel: As of `answer`.
        """
        return float(self.answer(features)[0])


def registered_name(configuration: Configuration, project: ModelProject, model: ModelDefinition) -> str:
    """Return catalog.schema.model, under which a model is registered here and in Unity Catalog.

    The last part is the model's own name, or what `models.registered` gives in its place: in the development target the
    bundle puts the developer's name before it.

    Raises:
        InvalidInput: `models.registered` names a model that there is not.
    """
    names = configuration.models.registered
    strangers = sorted(set(names) - {known.name for known in project.models})
    if strangers:
        hint = f"Known: {', '.join(known.name for known in project.models)}"
        where = f"config: models.registered.{strangers[0]}"
        raise InvalidInput(f"There is no model {strangers[0]!r}", where=where, hint=hint)
    return f"{configuration.catalog}.{configuration.schemas.gold}.{names.get(model.name, model.name)}"


def project_name(configuration: Configuration, project: ModelProject, version: ModelVersion) -> str:
    """Return the project's name of the model that a version is of, as tables have it; see `registered_name`."""
    models = project.models
    found = (model.name for model in models if registered_name(configuration, project, model) == version.name)
    return next(found, version.name.rpartition(".")[2])


def reason_count(configuration: Configuration) -> int:
    """Return how many reasons go with each score; 0 where predictions are not explained at all.

    Raises:
        InvalidInput: It is no such number.
    """
    return whole_number(configuration, "reasons", hint="Write a whole number, 0 for no explanations")


def whole_number(configuration: Configuration, name: str, *, hint: str = "Write a whole number, 0 or more") -> int:
    """Return a parameter that counts something.

    Raises:
        InvalidInput: It is no such number.
    """
    wanted = configuration.parameter(name)
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 0:
        raise InvalidInput(f"{name} is {wanted!r}", where=f"config: parameters.{name}", hint=hint)
    return wanted


def open_model_registry(configuration: Configuration) -> ModelRegistry:
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


def require_champion(
    configuration: Configuration, project: ModelProject, registry: ModelRegistry, model: ModelDefinition
) -> ModelVersion:
    """Return the version in use.

    Raises:
        InvalidInput: No version has been promoted yet.
    """
    name = registered_name(configuration, project, model)
    found = registry.champion(name)
    if found is None:
        hint = f"Train one and promote it: train, then promote --model {model.name} --approved-by NAME"
        raise InvalidInput(f"{model.name} has no champion", where=name, hint=hint)
    return found


def load_version(
    version: ModelVersion, columns: tuple[str, ...], definitions: Mapping[str, str] | None = None
) -> Contender:
    """Load a version.

    Args:
        version: Of the registry.
        columns: Names of the features of today, in their order.
        definitions: Of features and labels today, which the version must have been trained on; without them only the
            names of the features are compared.

    Raises:
        OtherDefinitions: It was trained on features, or to a label, that are defined otherwise by now.
        InvalidInput: It was trained on other features than there are now, or by something else than `train`.
    """
    import mlflow.pyfunc

    found = mlflow.pyfunc.load_model(version.uri)
    _require_features(version, found.metadata.metadata or {}, columns, definitions)
    return Contender(version, found.unwrap_python_model())


def verify_version(version: ModelVersion, columns: tuple[str, ...], definitions: Mapping[str, str]) -> Contender:
    """Load a version that is about to answer, and let it answer once.

    Raises:
        OtherDefinitions: As of `load_version`.
        InvalidInput: As of `load_version`.
        UnusableModel: Its files cannot be loaded, or it breaks off.
    """
    try:
        contender = load_version(version, columns, definitions)
    except LakehouseError:
        raise
    except Exception as error:  # whatever MLflow, a store of files or a learner's package raises
        hint = "Look whether its files are still there and its packages installed, or train again and promote"
        raise UnusableModel(f"The model cannot be loaded: {error}", where=version.uri, hint=hint) from error
    contender.answer(np.zeros((1, len(columns))))
    return contender


def require_definitions(version: ModelVersion, columns: tuple[str, ...], definitions: Mapping[str, str]) -> None:
    """Compare what a version was trained on with the features of today, without loading it.

    Raises:
        OtherDefinitions: As of `load_version`.
        InvalidInput: As of `load_version`.
    """
    from mlflow.models import get_model_info

    _require_features(version, get_model_info(version.uri).metadata or {}, columns, definitions)


def _require_features(
    version: ModelVersion, noted: Mapping[str, Any], columns: tuple[str, ...], definitions: Mapping[str, str] | None
) -> None:
    hint = "Train a version with the features of today and promote it: train, then promote"
    features = tuple(noted.get(LEARNED_FROM, ()))
    if features != columns:
        raise InvalidInput(f"The model was trained on {_differences(features, columns)}", where=version.uri, hint=hint)
    if definitions is None:
        return
    made_from = noted.get(DEFINED_AS) or {}
    if not made_from:
        message = "%s says only the names of its features, not what they meant; train a version that says both"
        _LOG.warning(message, version.uri, extra={"event": "model_without_definitions"})
    require_same_definitions(made_from, definitions, where=version.uri, hint=hint)


def _differences(features: tuple[str, ...], columns: tuple[str, ...]) -> str:
    if not features:
        return "features that it does not name"
    unknown, missing = (sorted(set(one) - set(other)) for one, other in ((features, columns), (columns, features)))
    said = [f"without {', '.join(missing)}"] if missing else []
    said += [f"with {', '.join(unknown)}, which there is no longer"] if unknown else []
    return f"other features: {'; '.join(said) or 'in another order'}"


def read_artifact(version: ModelVersion, name: str) -> str:
    """Return a text that the training run has left."""
    import mlflow.artifacts

    return str(mlflow.artifacts.load_text(f"runs:/{version.run_id}/{name}"))
