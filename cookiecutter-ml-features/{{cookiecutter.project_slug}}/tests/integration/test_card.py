"""The card of a version goes on with its history: trained, promoted, replaced, taken back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
from databricks_utils.cli import model_actions
from databricks_utils.cli.opened_models import OpenedModels
from databricks_utils.cli.project import Opened
from databricks_utils.errors import InvalidInput
from databricks_utils.features import array_distributions, distributions_to_json
from databricks_utils.models import FAMILIES, ModelVersion
from databricks_utils.models.experiment import log_model
from databricks_utils.models.version_card import CARD, write_card
from databricks_utils.models.versions import (
    EXPLANATIONS,
    FEATURES,
    open_model_registry,
    read_artifact,
    registered_name,
)

from {{ cookiecutter.package_name }}.__main__ import PROJECT
from {{ cookiecutter.package_name }}.features.registry import COLUMNS, feature_registry
from {{ cookiecutter.package_name }}.models.definitions import CHURN
from {{ cookiecutter.package_name }}.models.project import MODEL_PROJECT

ROOT = Path(__file__).resolve().parents[2]
Train = Callable[[float], ModelVersion]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Return the project with a registry of its own."""
    folder = tmp_path_factory.mktemp("cards")
    uri = f"sqlite:////{folder}/mlflow.db"
    return PROJECT.open("local", str(ROOT), **{"models.tracking_uri": uri, "models.registry_uri": uri})


@pytest.fixture(scope="module")
def train(opened: Opened, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Return a function that leaves as much of a training as a card needs, and registers it."""
    registry = open_model_registry(opened.configuration)
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("cards", artifact_location=tmp_path_factory.mktemp("files").as_uri())
    # Who promotes a version lets it answer first, so that it has to be one.
    family, rows = FAMILIES["scikit-learn"], np.arange(2.0 * 40 * len(COLUMNS)).reshape(80, len(COLUMNS))
    estimator = family.estimator(CHURN.kind, {}, 1).fit(rows, np.arange(80) % 2)
    definitions = MODEL_PROJECT.meanings(feature_registry(opened.contracts))

    def trained(auc: float) -> ModelVersion:
        with mlflow.start_run(experiment_id=experiment) as begun:
            address, run = log_model(family, estimator, COLUMNS, definitions), begun.info.run_id
        client.log_metric(run, "test_auc", auc)
        for name, value in {"positives": 50, "negatives": 450, "auc_low": auc - 0.1, "skill_low": 0.1}.items():
            client.log_metric(run, f"test_{name}", value)
        client.log_text(run, distributions_to_json(array_distributions({"old_lines_7d": np.arange(9.0)})), FEATURES)
        client.log_text(run, json.dumps([{"feature": "old_lines_7d", "contribution": 0.5}]), EXPLANATIONS)
        version = registry.register(registered_name(opened.configuration, MODEL_PROJECT, CHURN), run, address)
        write_card(MODEL_PROJECT, CHURN, version)
        return version

    return trained


def test_the_card_says_who_promoted_a_version_in_whose_place_and_who_took_it_back(opened: Opened, train: Train) -> None:
    first = train(0.7)
    never = read_artifact(first, CARD)
    assert model_actions.promote(OpenedModels(opened, MODEL_PROJECT), CHURN.name, "Ann") == 0
    second = train(0.8)
    assert model_actions.promote(OpenedModels(opened, MODEL_PROJECT), CHURN.name, "Ben") == 0
    promoted = read_artifact(second, CARD)
    assert model_actions.rollback(OpenedModels(opened, MODEL_PROJECT), CHURN.name, by="Cid", because="complaints") == 0

    assert "- never promoted" in never
    assert "by Ben, in place of version 1" in promoted
    assert "| test_auc | 0.8 | 0.7 |" in promoted
    assert "by Cid: complaints" not in promoted
    assert "by Cid: complaints" in read_artifact(second, CARD)
    assert "by Ann" in read_artifact(first, CARD)
    assert "taken back" not in read_artifact(first, CARD)


def test_a_model_without_a_challenger_does_not_keep_another_s_card_from_being_written(
    opened: Opened, train: Train
) -> None:
    version = train(0.85)

    with pytest.raises(InvalidInput, match="household_spend has no challenger"):
        model_actions.promote(OpenedModels(opened, MODEL_PROJECT), "all", "Dora")

    assert "by Dora" in read_artifact(version, CARD)


def test_a_card_names_what_its_own_version_looks_at_and_can_be_written_anew(
    opened: Opened, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    version = train(0.9)
    mlflow.MlflowClient().log_text(version.run_id, "spoilt", CARD)

    assert model_actions.card(OpenedModels(opened, MODEL_PROJECT), CHURN.name) == 0

    card = read_artifact(version, CARD)
    assert "## What it reads\n\n- `old_lines_7d`\n" in card
    assert "| `old_lines_7d` | 0.5 |" in card
    assert CHURN.purpose in card
    assert f"household_churn version {version.version}: {CARD}" in capsys.readouterr().out
