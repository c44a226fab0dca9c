"""Where models are: names in the registry, the experiment, the tables of scores and measurements."""

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
from databricks_utils.features import FeatureRegistry, require_same_definitions
from databricks_utils.models import ModelRegistry, ModelVersion, open_registry

from {{ cookiecutter.package_name }}.features.registry import COLUMNS
from {{ cookiecutter.package_name }}.models.definitions import MODELS, ModelDefinition
from {{ cookiecutter.package_name }}.models.families import Array

# Below the library's logger, which the configuration sets up.
_LOG = logging.getLogger(f"databricks_utils.{__name__}")
SCORES = "gold.household_scores"
PERFORMANCE = "operations.model_performance"
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
        model: What MLflow has loaded; see models/answering.py.
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
            hint = "Look at the features of these households, or take the version back: rollback"
            said = f"The model answers {strange[0]}, of {len(strange)} of {len(found)} households"
            raise UnusableModel(said, where=self.version.uri, hint=hint)
        return found

    def number(self, features: Array) -> float:
        """Return the score of one row.

        Raises:
            UnusableModel: As of `answer`.
        """
        return float(self.answer(features)[0])


def full_name(configuration: Configuration, model: ModelDefinition) -> str:
    """Return catalog.schema.model, under which a model is registered here and in Unity Catalog.

    The last part is the model's own name, or what `models.registered` gives in its place: in the development target the
    bundle puts the developer's name before it.

    Raises:
        InvalidInput: `models.registered` names a model that there is not.
    """
    names = configuration.models.registered
    strangers = sorted(set(names) - {known.name for known in MODELS})
    if strangers:
        hint = f"Known: {', '.join(known.name for known in MODELS)}"
        where = f"config: models.registered.{strangers[0]}"
        raise InvalidInput(f"There is no model {strangers[0]!r}", where=where, hint=hint)
    return f"{configuration.catalog}.{configuration.schemas.gold}.{names.get(model.name, model.name)}"


def own_name(configuration: Configuration, version: ModelVersion) -> str:
    """Return the project's name of the model that a version is of, as tables have it; see `full_name`."""
    found = (model.name for model in MODELS if full_name(configuration, model) == version.name)
    return next(found, version.name.rpartition(".")[2])


def reasons_wanted(configuration: Configuration) -> int:
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


def definitions_of(features: FeatureRegistry) -> dict[str, str]:
    """Return what features and labels mean today, as a version notes what they meant when it learned."""
    labels = {name: meaning for model in MODELS for name, meaning in model.learned.items()}
    return {**features.fingerprints(COLUMNS), **labels}


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


def loaded(version: ModelVersion, definitions: Mapping[str, str] | None = None) -> Contender:
    """Load a version.

    Args:
        version: Of the registry.
        definitions: Of features and labels today, which the version must have been trained on; without them only the
            names of the features are compared.

    Raises:
        OtherDefinitions: It was trained on features, or to a label, that are defined otherwise by now.
        InvalidInput: It was trained on other features than there are now, or by something else than `train`.
    """
    import mlflow.pyfunc

    found = mlflow.pyfunc.load_model(version.uri)
    _require_features(version, found.metadata.metadata or {}, definitions)
    return Contender(version, found.unwrap_python_model())


def usable(version: ModelVersion, definitions: Mapping[str, str]) -> Contender:
    """Load a version that is about to answer, and let it answer once.

    Raises:
        OtherDefinitions: As of `loaded`.
        InvalidInput: As of `loaded`.
        UnusableModel: Its files cannot be loaded, or it breaks off.
    """
    try:
        contender = loaded(version, definitions)
    except LakehouseError:
        raise
    except Exception as error:  # whatever MLflow, a store of files or a learner's package raises
        hint = "Look whether its files are still there and its packages installed, or train again and promote"
        raise UnusableModel(f"The model cannot be loaded: {error}", where=version.uri, hint=hint) from error
    contender.answer(np.zeros((1, len(COLUMNS))))
    return contender


def require_definitions(version: ModelVersion, definitions: Mapping[str, str]) -> None:
    """Compare what a version was trained on with the features of today, without loading it.

    Raises:
        OtherDefinitions: As of `loaded`.
        InvalidInput: As of `loaded`.
    """
    from mlflow.models import get_model_info

    _require_features(version, get_model_info(version.uri).metadata or {}, definitions)


def _require_features(version: ModelVersion, noted: Mapping[str, Any], definitions: Mapping[str, str] | None) -> None:
    hint = "Train a version with the features of today and promote it: train, then promote"
    features = tuple(noted.get(LEARNED_FROM, ()))
    if features != COLUMNS:
        raise InvalidInput(f"The model was trained on {_differences(features)}", where=version.uri, hint=hint)
    if definitions is None:
        return
    made_from = noted.get(DEFINED_AS) or {}
    if not made_from:
        message = "%s says only the names of its features, not what they meant; train a version that says both"
        _LOG.warning(message, version.uri, extra={"event": "model_without_definitions"})
    require_same_definitions(made_from, definitions, where=version.uri, hint=hint)


def _differences(features: tuple[str, ...]) -> str:
    if not features:
        return "features that it does not name"
    unknown, missing = (sorted(set(one) - set(other)) for one, other in ((features, COLUMNS), (COLUMNS, features)))
    said = [f"without {', '.join(missing)}"] if missing else []
    said += [f"with {', '.join(unknown)}, which there is no longer"] if unknown else []
    return f"other features: {'; '.join(said) or 'in another order'}"


def artifact(version: ModelVersion, name: str) -> str:
    """Return a text that the training run has left."""
    import mlflow.artifacts

    return str(mlflow.artifacts.load_text(f"runs:/{version.run_id}/{name}"))
