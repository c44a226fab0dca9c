"""The card of a version: written when it is trained, and anew whenever its history goes on."""

from __future__ import annotations

import json

from databricks_utils.features import distributions_from_json
from databricks_utils.models import ModelDefinition, ModelVersion, model_card

from {{ cookiecutter.package_name }}.features.registry import TABLES
from {{ cookiecutter.package_name }}.models.places import EXPLANATIONS, FEATURES, artifact

#: Artifact of a training run.
CARD = "model-card.md"


def write_card(model: ModelDefinition, version: ModelVersion) -> str:
    """Write the card of a version beside its run, in the place of the one before, and return it.

    What the version looks at comes from its own run, since the definitions may have changed by now.

    Args:
        model: What it is for.
        version: From the registry, which knows who promoted it, when, in whose place, and who took it back.
    """
    import mlflow

    weights = json.loads(artifact(version, EXPLANATIONS))
    card = model_card(
        version,
        purpose=model.purpose,
        owner=TABLES[0].owner,
        features=list(distributions_from_json(artifact(version, FEATURES))),
        limits=model.limits,
        importance={weight["feature"]: weight["contribution"] for weight in weights},
        unit=model.unit,
    )
    mlflow.MlflowClient().log_text(version.run_id, card, CARD)
    return card
