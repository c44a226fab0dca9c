from __future__ import annotations

from typing import Any

import pytest
import yaml
from databricks_utils.cli.project import Opened

Task = dict[str, Any]


@pytest.fixture(scope="module")
def tasks(project: Opened) -> dict[str, Task]:
    """Return the tasks of the daily job by key."""
    text = (project.root / "resources" / "jobs.yml").read_text(encoding="utf-8")
    job = yaml.safe_load(text)["resources"]["jobs"]["{{ cookiecutter.package_name }}_job"]
    return {task["task_key"]: task for task in job["tasks"]}


def words_of(task: Task) -> list[str]:
    return list(task["python_wheel_task"]["parameters"])


def waits_for(task: Task) -> set[str]:
    return {item["task_key"] for item in task.get("depends_on", [])}


def test_a_breach_is_told_by_the_last_task_alone_which_nothing_hides(tasks: dict[str, Task]) -> None:
    """Databricks takes the state of a run from the tasks that none waits for; tables' tasks may be tried again."""
    waited = {key for task in tasks.values() for key in waits_for(task)}
    verdict = tasks["verdict"]
    runs = {key for key, task in tasks.items() if words_of(task)[0] == "run"}
    steps = tasks.keys() - runs - {"verdict"}
    (last,) = {key for key in steps if not any(key in waits_for(tasks[other]) for other in steps)}

    assert tasks.keys() - waited == {"verdict"}
    assert (verdict["run_if"], verdict["max_retries"]) == ("ALL_DONE", 0)
    assert last in waits_for(verdict)
    named = set(words_of(verdict))
    assert "{% raw %}--run-id={{job.run_id}}{% endraw %}" in named
    assert "{% raw %}--task=LAST={{tasks.LAST.result_state}}{% endraw %}".replace("LAST", last) in named
    assert all({"--no-verdict", "{% raw %}--task={{task.name}}{% endraw %}"} <= set(words_of(tasks[key])) for key in runs)
    # A failure of any step reaches the verdict by the last of them.
    reached: set[str] = set()
    open_keys = [last]
    while open_keys:
        needed = waits_for(tasks[open_keys.pop()]) - reached
        reached |= needed
        open_keys += needed
    assert steps - {last} <= reached


def test_all_tables_are_checked_on_a_schedule_of_their_own(project: Opened) -> None:
    text = (project.root / "resources" / "check.yml").read_text(encoding="utf-8")
    (job,) = yaml.safe_load(text)["resources"]["jobs"].values()
    (check,) = job["tasks"]

    assert words_of(check)[0] == "check"
    assert not any(word.startswith("--tables") for word in words_of(check))
    assert job["schedule"]["quartz_cron_expression"] == "${var.check_schedule}"
    assert job["email_notifications"]["on_failure"]
