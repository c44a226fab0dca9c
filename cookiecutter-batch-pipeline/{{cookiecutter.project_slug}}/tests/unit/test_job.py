from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from databricks_utils.cli.project import Opened
from databricks_utils.config import load_configuration

from {{ cookiecutter.package_name }}.__main__ import PROJECT

REPORT, VERDICT = "report", "verdict"
WITHOUT_TABLE = {REPORT, VERDICT}

Task = dict[str, Any]


@pytest.fixture(scope="module")
def tasks(project: Opened) -> dict[str, Task]:
    """Return the tasks of the job by key."""
    text = (project.root / "resources" / "jobs.yml").read_text(encoding="utf-8")
    (job,) = yaml.safe_load(text)["resources"]["jobs"].values()
    return {task["task_key"]: task for task in job["tasks"]}


def waits_for(task: Task) -> set[str]:
    return {item["task_key"] for item in task.get("depends_on", [])}


def option(task: Task, name: str) -> list[str]:
    words = task["python_wheel_task"]["parameters"]
    return [word.removeprefix(f"--{name}=") for word in words if word.startswith(f"--{name}=")]


def test_a_breach_is_told_by_the_last_task_alone_which_nothing_hides(tasks: dict[str, Task]) -> None:
    """Databricks takes the state of a run from the tasks that none waits for; tables' tasks may be tried again."""
    waited = {key for task in tasks.values() for key in waits_for(task)}
    verdict = tasks[VERDICT]

    assert set(tasks) - waited == {VERDICT}
    assert (verdict["run_if"], verdict["max_retries"]) == ("ALL_DONE", 0)
    assert option(verdict, "run-id") == ["{% raw %}{{job.run_id}}{% endraw %}"]
    assert option(verdict, "task") == ["report={% raw %}{{tasks.report.result_state}}{% endraw %}"]
    for key in tasks.keys() - WITHOUT_TABLE:
        assert "--no-verdict" in tasks[key]["python_wheel_task"]["parameters"]
        assert option(tasks[key], "run-id") == option(verdict, "run-id")
        assert option(tasks[key], "task") == ["{% raw %}{{task.name}}{% endraw %}"]


def test_all_tables_are_checked_on_a_schedule_of_their_own(project: Opened) -> None:
    text = (project.root / "resources" / "check.yml").read_text(encoding="utf-8")
    (job,) = yaml.safe_load(text)["resources"]["jobs"].values()
    (check,) = job["tasks"]

    assert check["python_wheel_task"]["parameters"][0] == "check"
    assert option(check, "tables") == []
    assert job["schedule"]["quartz_cron_expression"] == "${var.check_schedule}"
    assert job["email_notifications"]["on_failure"]


def test_every_task_calls_the_command_of_the_project(tasks: dict[str, Task]) -> None:
    calls = {key: task["python_wheel_task"] for key, task in tasks.items()}

    assert {call["entry_point"] for call in calls.values()} == {PROJECT.command}
    assert {key: call["parameters"][0] for key, call in calls.items()} == {
        key: key if key in WITHOUT_TABLE else "run" for key in tasks
    }


def test_the_values_that_tasks_set_are_keys_of_the_configuration(tasks: dict[str, Task], project: Opened) -> None:
    settings = {pair.partition("=")[0] for task in tasks.values() for pair in option(task, "set")}
    # The level is a choice of a few words; what the bundle puts in its place is one of them.
    values = {key: "INFO" if key == "logging.level" else "/Volumes/c/s/v" for key in settings}

    configuration = load_configuration(project.root / "config", "dev", values)

    assert {"storage.landing", "storage.checkpoints", "storage.reports"} <= settings
    assert configuration.storage.landing == "/Volumes/c/s/v"


def test_the_bundle_includes_the_job(project: Opened) -> None:
    bundle = yaml.safe_load((project.root / "bundle.yml").read_text(encoding="utf-8"))
    included = {path for pattern in bundle["include"] for path in project.root.glob(pattern)}

    assert Path(project.root / "resources" / "jobs.yml") in included
