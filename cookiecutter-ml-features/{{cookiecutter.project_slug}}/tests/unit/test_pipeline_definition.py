from __future__ import annotations

from pathlib import Path

import yaml
from databricks_utils.cli.project import Opened

from {{ cookiecutter.package_name }}.__main__ import PROJECT
from {{ cookiecutter.package_name }}.models.definitions import MODELS
from {{ cookiecutter.package_name }}.orchestration.commands import NAMES
from {{ cookiecutter.package_name }}.orchestration.pipeline_definition import PIPELINE


def test_the_pipeline_and_the_contracts_name_the_same_tables(project: Opened) -> None:
    assert set(PIPELINE.tables) == set(project.contracts)


def test_commands_and_definitions_name_the_same_models() -> None:
    assert set(NAMES) == {model.name for model in MODELS}


def test_the_bundle_registers_and_serves_every_model(project: Opened) -> None:
    registered = yaml.safe_load((project.root / "resources" / "models.yml").read_text(encoding="utf-8"))
    serving = yaml.safe_load((project.root / "serving" / "endpoint.yml").read_text(encoding="utf-8"))
    (endpoint,) = serving["resources"]["model_serving_endpoints"].values()

    assert set(registered["resources"]["registered_models"]) == {model.name for model in MODELS}
    assert {item["name"] for item in endpoint["config"]["served_entities"]} == {model.name for model in MODELS}


def test_every_task_calls_a_command_that_there_is(project: Opened) -> None:
    text = (project.root / "resources" / "jobs.yml").read_text(encoding="utf-8")
    tasks = [task for job in yaml.safe_load(text)["resources"]["jobs"].values() for task in job["tasks"]]
    called = {task["python_wheel_task"]["parameters"][0] for task in tasks}

    assert called - {"run"} <= {command.name for command in PROJECT.commands}
    assert {"run", "features", "train", "promote", "score", "monitor", "report"} <= called


def test_the_job_has_a_task_for_every_table(project: Opened) -> None:
    text = (project.root / "resources" / "jobs.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["resources"]["jobs"]
    keys = {
        task["task_key"]
        for name, job in jobs.items()
        if not name.endswith(("_train_job", "_promote_job"))
        for task in job["tasks"]
    }

    assert {table.replace(".", "_") for table in PIPELINE.tables} <= keys


def test_every_source_folder_of_bronze_has_files_in_the_sample(project: Opened) -> None:
    landing = Path(project.configuration.storage.landing)

    assert [folder for folder in ("transactions", "campaigns") if not any((landing / folder).glob("*.csv"))] == []
