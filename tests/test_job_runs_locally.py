"""The job that the bundle deploys really runs: its tasks, in its order, with its parameters, from the built wheels."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from bundles.bundle_reader import read_bundle
from checks.definition import defined_tables, main_job
from conftest import Bake
from installed import Installed
from local_job import PREFIX, PROGRAM, Call, landed, local_calls, run_from_wheels, volume_folder


def test_the_calls_honour_what_tasks_wait_for(bake: Bake, scratch: Path) -> None:
    bundle = read_bundle(bake({}), "dev")

    order = [call.task for call in local_calls(bundle, scratch)]

    assert sorted(order) == sorted(task["task_key"] for task in main_job(bundle)["tasks"])
    for task in main_job(bundle)["tasks"]:
        for item in task.get("depends_on", []):
            assert order.index(item["task_key"]) < order.index(task["task_key"])


def test_a_call_names_renamed_schemas_and_local_folders(bake: Bake, scratch: Path) -> None:
    project = bake({})
    calls = {call.task: call for call in local_calls(read_bundle(project, "dev"), scratch)}

    arguments = calls["gold_fact_sales"].arguments

    assert arguments[0] == "run"
    assert {"--env=local", "--catalog=spark_catalog", f"--project={project}"} <= set(arguments)
    assert {"--task=gold_fact_sales", "--schema-gold=dev_tester_gold"} <= set(arguments)
    assert {"--full-refresh=false", "--run-id=1001", "--set=logging.level=INFO"} <= set(arguments)
    landing = scratch / "retail_lakehouse_dev" / "dev_tester_bronze" / "landing"
    assert f"--set=storage.landing={landing}" in arguments
    assert volume_folder(read_bundle(project, "dev"), "landing", scratch) == landing


def test_a_reference_that_nothing_fills_in_is_named(bake: Bake, scratch: Path) -> None:
    bundle = read_bundle(bake({}), "dev")
    text = json.dumps(bundle.resolved).replace("job.parameters.log_level", "job.parameters.level")

    with pytest.raises(ValueError, match=r"nothing fills in .*job\.parameters\.level"):
        local_calls(replace(bundle, resolved=json.loads(text)), scratch)


@pytest.fixture(scope="module")
def finished(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of the job's tasks, run from the wheels that a deployment would upload."""
    folder = tmp_path_factory.mktemp("job")
    bundle, volumes = read_bundle(installed.folder, "dev"), folder / "Volumes"
    landed(installed, bundle, volumes)

    return {**run_from_wheels(installed, local_calls(bundle, volumes), folder), "folder": folder}


@pytest.mark.slow
def test_a_task_with_an_option_that_the_command_lacks_fails(installed: Installed, scratch: Path) -> None:
    calls, result = scratch / "calls.json", scratch / "result.json"
    name = installed.folder.name
    call = Call("silver_products", name, name, ["run", "--env=local", "--task=silver_products", "--refresh=full"])
    calls.write_text(json.dumps([asdict(call)]), encoding="utf-8")

    done = installed.run("uv", "run", "python", str(PROGRAM), str(calls), str(result))

    assert done.returncode != 0
    assert "silver_products SystemExit: 2" in done.stderr
    assert json.loads(result.read_text(encoding="utf-8"))["tasks"] == {"silver_products": "SystemExit: 2"}


@pytest.mark.slow
@pytest.mark.matrix
def test_every_task_of_the_job_succeeds(finished: dict[str, Any], installed: Installed) -> None:
    tasks = {task["task_key"] for task in main_job(read_bundle(installed.folder, "dev"))["tasks"]}

    assert finished["tasks"] == dict.fromkeys(tasks, "succeeded")
    assert Path(finished["code"]).is_relative_to(finished["packages"])


@pytest.mark.slow
@pytest.mark.matrix
def test_every_table_is_there_with_rows_under_the_renamed_schema(
    finished: dict[str, Any], installed: Installed
) -> None:
    tables = {f"{PREFIX}{table}" for table in defined_tables(installed.folder)}

    assert tables - finished["tables"].keys() == set()
    assert [table for table in tables if finished["tables"][table] == 0] == []
    written_by_hand = [name for name in finished["tables"] if name.startswith(("bronze.", "silver.", "gold."))]
    assert written_by_hand == []


@pytest.mark.slow
@pytest.mark.matrix
def test_the_report_lands_in_its_volume(finished: dict[str, Any], installed: Installed) -> None:
    folder = volume_folder(read_bundle(installed.folder, "dev"), "reports", finished["folder"] / "Volumes")

    assert list(folder.rglob("*.html"))
