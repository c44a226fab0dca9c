"""The card of a version: written when it is trained, and anew whenever its history goes on."""

from __future__ import annotations

import json

from databricks_utils.features import distributions_from_json
from databricks_utils.models.card import model_card
from databricks_utils.models.definition import ModelDefinition, ModelProject
from databricks_utils.models.registry import ModelVersion
from databricks_utils.models.versions import EXPLANATIONS, FEATURES, read_artifact

#: Artifact of a training run.
CARD = "model-card.md"


def write_card(project: ModelProject, model: ModelDefinition, version: ModelVersion) -> str:
    """Write the card of a version beside its run, in the place of the one before, and return it.

    What the version looks at comes from its own run, since the definitions may have changed by now.

    Args:
        project: Whose team answers for the model.
        model: What it is for.
        version: From the registry, which knows who promoted it, when, in whose place, and who took it back.
    """
    import mlflow

    weights = json.loads(read_artifact(version, EXPLANATIONS))
    card = model_card(
        version,
        purpose=model.purpose,
        owner=project.tables[0].owner,
        features=list(distributions_from_json(read_artifact(version, FEATURES))),
        limits=model.limits,
        importance={weight["feature"]: weight["contribution"] for weight in weights},
        unit=model.unit,
    )
    mlflow.MlflowClient().log_text(version.run_id, card, CARD)
    return card
