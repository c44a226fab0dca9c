from __future__ import annotations

from typing import Any

import pytest
import yaml
from databricks_utils.cli.project import Opened

from {{ cookiecutter.package_name }}.orchestration.pipeline_definition import PIPELINE

Task = dict[str, Any]


@pytest.fixture(scope="module")
def tasks(project: Opened) -> dict[str, Task]:
    """Return the tasks of the daily job by key."""
    text = (project.root / "resources" / "jobs.yml").read_text(encoding="utf-8")
    job = yaml.safe_load(text)["resources"]["jobs"]["{{ cookiecutter.package_name }}_job"]
    return {task["task_key"]: task for task in job["tasks"]}


def key_of(table: str) -> str:
    return table.replace(".", "_")


def words_of(task: Task) -> list[str]:
    return list(task["python_wheel_task"]["parameters"])


def waits_for(task: Task) -> set[str]:
    return {item["task_key"] for item in task.get("depends_on", [])}


def test_each_table_has_a_task_that_waits_for_exactly_the_tables_it_reads_or_refers_to(
    tasks: dict[str, Task], project: Opened
) -> None:
    waiting = {key: waits_for(task) for key, task in tasks.items() if words_of(task)[0] == "run"}

    assert waiting == {
        key_of(node.table): {key_of(table) for table in PIPELINE.prerequisites(node, project.contracts)}
        for node in PIPELINE
    }
