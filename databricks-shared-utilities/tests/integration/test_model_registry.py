"""Champion and challenger in a real registry of MLflow, in a sqlite file."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from databricks_utils.errors import InvalidInput, MissingTool
from databricks_utils.models import Gate, ModelRegistry, ModelVersion, open_registry

GATES = [Gate("auc", at_least=0.6, gain=0.0)]
Train = Callable[[str, float], ModelVersion]


@pytest.fixture(scope="module")
def uri(empty_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of one registry for all tests; the models' names keep them apart."""
    return f"sqlite:///{shutil.copy(empty_registry, tmp_path_factory.mktemp('mlflow'))}"


@pytest.fixture(scope="module")
def registry(uri: str) -> ModelRegistry:
    return open_registry(uri)


@pytest.fixture(scope="module")
def train(uri: str, registry: ModelRegistry, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Return a function that leaves a run with a metric and registers its model."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    files = tmp_path_factory.mktemp("models").as_uri()
    experiment = client.create_experiment("tests", artifact_location=files)

    def trained(name: str, auc: float) -> ModelVersion:
        run = client.create_run(experiment).info.run_id
        client.log_metric(run, "auc", auc)
        return registry.register(name, run, f"{files}/{run}")

    return trained


def test_a_model_becomes_challenger_then_champion_and_the_notes_say_how(registry: ModelRegistry, train: Train) -> None:
    name = "main.gold.first"
    first = train(name, 0.7)

    before = (registry.champion(name), registry.challenger(name))
    champion = registry.promote(registry.evaluate(name, GATES), approved_by="Ann")

    assert before == (None, first)
    assert registry.challenger(name) is None
    assert (champion.version, champion.uri) == (1, f"models:/{name}/1")
    assert champion.tags["approved_by"] == "Ann"
    assert champion.tags["evaluation"] == '{"challenger": {"auc": 0.7}}'


def test_a_worse_model_is_not_promoted(registry: ModelRegistry, train: Train) -> None:
    name = "main.gold.worse"
    train(name, 0.8)
    registry.promote(registry.evaluate(name, GATES), approved_by="Ann")
    train(name, 0.7)

    evaluation = registry.evaluate(name, GATES)

    assert not evaluation.passed
    with pytest.raises(InvalidInput, match=r"(?s)The gates are closed: auc is 0.7 and the champion's 0.8.*version 2"):
        registry.promote(evaluation, approved_by="Ann")
    assert _version(registry.champion(name)) == 1


def test_rollbacks_go_back_one_champion_at_a_time(registry: ModelRegistry, train: Train) -> None:
    name = "main.gold.back"
    for auc in (0.7, 0.8, 0.9):
        train(name, auc)
        registry.promote(registry.evaluate(name, GATES), approved_by="Ann")

    versions = [_version(registry.roll_back(name, by="Bob", because="complaints")) for _ in range(2)]

    assert versions == [2, 1]
    with pytest.raises(InvalidInput, match=r"(?s)no champion to go back to.*model main.gold.back"):
        registry.roll_back(name, by="Bob", because="complaints")


def test_what_a_check_of_the_version_that_comes_back_raises_leaves_the_champion_and_its_notes(
    registry: ModelRegistry, train: Train
) -> None:
    name, asked = "main.gold.checked", list[ModelVersion]()
    for auc in (0.7, 0.8):
        train(name, auc)
        registry.promote(registry.evaluate(name, GATES), approved_by="Ann")

    def refuses(version: ModelVersion) -> None:
        asked.append(version)
        raise InvalidInput("It does not load")

    with pytest.raises(InvalidInput, match="It does not load"):
        registry.roll_back(name, by="Bob", because="complaints", check=refuses)

    champion = registry.champion(name)
    assert champion is not None
    assert (champion.version, [version.version for version in asked]) == (2, [1])
    assert "rolled_back_by" not in champion.tags
    assert _version(registry.roll_back(name, by="Bob", because="complaints", check=asked.append)) == 1
    assert asked[0] == asked[1]


def test_after_a_rollback_the_next_champion_leads_back_to_the_one_in_use(registry: ModelRegistry, train: Train) -> None:
    name = "main.gold.again"
    for auc in (0.7, 0.8):
        train(name, auc)
        registry.promote(registry.evaluate(name, GATES), approved_by="Ann")
    registry.roll_back(name, by="Bob", because="complaints")
    train(name, 0.75)
    registry.promote(registry.evaluate(name, GATES), approved_by="Ann")

    assert _version(registry.roll_back(name, by="Bob", because="once more")) == 1


def test_a_version_that_has_no_part_any_more_is_found_by_its_number(registry: ModelRegistry, train: Train) -> None:
    name = "main.gold.numbered"
    for auc in (0.7, 0.8):
        train(name, auc)
        registry.promote(registry.evaluate(name, GATES), approved_by="Ann")
    registry.roll_back(name, by="Bob", because="complaints")

    gone = registry.version(name, 2)

    assert (gone.version, gone.metrics["auc"]) == (2, 0.8)
    assert (gone.tags["approved_by"], gone.tags["rolled_back_by"]) == ("Ann", "Bob")
    with pytest.raises(InvalidInput, match=r"(?s)There is no version 7.*model main.gold.numbered"):
        registry.version(name, 7)


def test_a_model_that_never_had_a_champion_is_told_from_one_that_lost_it(
    registry: ModelRegistry, train: Train, uri: str
) -> None:
    """The first is a project that begins, the second a fault; both have no champion."""
    name = "main.gold.begins"
    ever = [registry.ever_promoted(name)]
    train(name, 0.7)
    ever.append(registry.ever_promoted(name))
    registry.promote(registry.evaluate(name, GATES), approved_by="Ann")
    train(name, 0.8)
    MlflowClient(tracking_uri=uri, registry_uri=uri).delete_registered_model_alias(name, "champion")
    ever.append(registry.ever_promoted(name))

    assert registry.champion(name) is None
    assert ever == [False, False, True]


def test_a_version_that_is_too_good_is_promoted_once_it_is_acknowledged(registry: ModelRegistry, train: Train) -> None:
    name = "main.gold.leak"
    train(name, 0.99)
    unseen, seen = (Gate("auc", too_good=0.95, acknowledged=number) for number in (0, 1))

    assert not registry.evaluate(name, [unseen]).passed
    assert registry.promote(registry.evaluate(name, [seen]), approved_by="Ann").version == 1
    train(name, 0.99)
    assert not registry.evaluate(name, [seen]).passed


def test_what_has_changed_since_the_evaluation_is_not_promoted(registry: ModelRegistry, train: Train) -> None:
    name = "main.gold.changed"
    train(name, 0.7)
    evaluation = registry.evaluate(name, GATES)
    train(name, 0.1)

    with pytest.raises(InvalidInput, match=r"(?s)has changed since.*Evaluate again"):
        registry.promote(evaluation, approved_by="Ann")
    assert registry.champion(name) is None


def test_a_promotion_cut_short_before_its_moment_leaves_the_champion_and_can_be_done_again(
    registry: ModelRegistry, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "main.gold.short"
    train(name, 0.7)
    evaluation = registry.evaluate(name, GATES)

    def cut(*_: object) -> None:
        raise ConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_registered_model_alias", cut)
        with pytest.raises(ConnectionError):
            registry.promote(evaluation, approved_by="Ann")
    between = registry.champion(name)

    assert between is None
    assert registry.promote(evaluation, approved_by="Ann").version == 1


def test_nobody_and_nothing_are_refused(registry: ModelRegistry, train: Train) -> None:
    name = "main.gold.nobody"
    with pytest.raises(InvalidInput, match=r"(?s)main.gold.nobody has no challenger.*Register"):
        registry.evaluate(name, GATES)
    train(name, 0.7)
    with pytest.raises(InvalidInput, match="Nobody approves"):
        registry.promote(registry.evaluate(name, GATES), approved_by=" ")
    with pytest.raises(InvalidInput, match="needs a name and a reason"):
        registry.roll_back(name, by="Bob", because="")
    with pytest.raises(InvalidInput, match=r"(?s)'churn' is not the name of a model.*catalog.schema.model"):
        registry.register("churn", "run", "file:///nowhere")


def test_where_mlflow_is_missing_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)

    with pytest.raises(MissingTool, match=r"databricks-shared-utilities\[models\]"):
        open_registry(f"sqlite:///{tmp_path / 'registry.db'}")


def _version(model: ModelVersion | None) -> int | None:
    return None if model is None else model.version
