from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from databricks_utils.cli.project import Opened
from databricks_utils.features import AVAILABLE_AT

from {{ cookiecutter.package_name }}.__main__ import PROJECT
from {{ cookiecutter.package_name }}.features.registry import TABLES
from {{ cookiecutter.package_name }}.models.definitions import MODELS
from {{ cookiecutter.package_name }}.models.project import MODEL_PROJECT
from {{ cookiecutter.package_name }}.orchestration.pipeline_definition import PIPELINE

PARAMETER = re.compile(r"{% raw %}\{\{job\.parameters\.(\w+)\}\}{% endraw %}")


def filled(words: list[str], defaults: dict[str, str]) -> list[str]:
    """Return the words of a task as a run has them that nobody gave other settings."""
    return [PARAMETER.sub(lambda found: defaults[found[1]], word) for word in words]


def test_the_pipeline_and_the_contracts_name_the_same_tables(project: Opened) -> None:
    assert set(PIPELINE.tables) == set(project.contracts)


def test_the_bundle_registers_and_serves_every_model(project: Opened) -> None:
    registered = yaml.safe_load((project.root / "resources" / "models.yml").read_text(encoding="utf-8"))
    serving = yaml.safe_load((project.root / "serving" / "endpoint.yml").read_text(encoding="utf-8"))
    (endpoint,) = serving["resources"]["model_serving_endpoints"].values()

    assert set(registered["resources"]["registered_models"]) == {model.name for model in MODELS}
    served = {f"{model.name}{role}" for model in MODELS for role in ("", "_challenger")}
    assert {item["name"] for item in endpoint["config"]["served_entities"]} == served


def test_every_task_calls_a_command_that_there_is(project: Opened) -> None:
    text = (project.root / "resources" / "jobs.yml").read_text(encoding="utf-8")
    tasks = [task for job in yaml.safe_load(text)["resources"]["jobs"].values() for task in job["tasks"]]
    called = {task["python_wheel_task"]["parameters"][0] for task in tasks}

    assert called - {"run", "verdict"} <= {command.name for command in PROJECT.commands}
    assert {"run", "features", "train", "promote", "score", "monitor", "report"} <= called


def test_every_task_is_understood_by_its_command(project: Opened) -> None:
    text = (project.root / "resources" / "jobs.yml").read_text(encoding="utf-8")
    commands = {command.name: command for command in PROJECT.commands}
    asked: dict[str, dict[str, Any]] = {}
    for job in yaml.safe_load(text)["resources"]["jobs"].values():
        defaults = {item["name"]: item["default"] for item in job["parameters"]}
        for task in job["tasks"]:
            name, *words = task["python_wheel_task"]["parameters"]
            if name in commands:
                asked[task["task_key"]] = commands[name].make_context(name, filled(words, defaults)).params

    assert asked["features"]["backfill"] is False
    assert asked["retrain"]["if_drifted"] is True
    assert asked["score"]["unless_new"] is asked["monitor"]["unless_new"] is True
    assert asked["train"]["trials"] == 20


@pytest.mark.parametrize(("words", "wanted"), [([], False), (["--backfill"], True), (["--backfill=true"], True)])
def test_a_backfill_is_asked_for_by_people_and_by_the_parameter_of_the_job(words: list[str], wanted: bool) -> None:
    (features,) = (command for command in PROJECT.commands if command.name == "features")

    assert features.make_context("features", words).params["backfill"] is wanted


def test_feature_tables_and_scores_are_monitored(project: Opened) -> None:
    text = (project.root / "serving" / "monitors.yml").read_text(encoding="utf-8")
    monitors = yaml.safe_load(text)["resources"]["quality_monitors"].values()
    watched = {item["table_name"].rpartition(".")[2]: item["time_series"]["timestamp_col"] for item in monitors}

    assert watched == {
        **{table.name.removeprefix("gold."): AVAILABLE_AT for table in TABLES},
        MODEL_PROJECT.scores.removeprefix("gold."): "observed_at",
    }
    assert all(item["notifications"]["on_failure"] and item["schedule"] for item in monitors)


def test_every_source_folder_of_bronze_has_files_in_the_sample(project: Opened) -> None:
    landing = Path(project.configuration.storage.landing)

    assert [folder for folder in ("transactions", "campaigns") if not any((landing / folder).glob("*.csv"))] == []
