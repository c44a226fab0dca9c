"""Every bundle that the template can bake keeps the rules, in every target."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from baking import combinations, label
from bundles.bundle_reader import Bundle, load, merged, read_bundle, root_file, targets_of
from bundles.bundle_rules import matches
from bundles.bundle_schema import SCHEMA, bundle_validator, deepest, documents
from checks import definition
from checks.definition import main_job
from conftest import Bake, found

TARGETS = ["dev", "lab", "prod"]
SPARK_VERSIONS = {"18-lts": "18.x-scala2.13", "17.3-lts": "17.3.x-scala2.13", "16.4-lts": "16.4.x-scala2.12"}
ENVIRONMENT_VERSIONS = {"18-lts": "5", "17.3-lts": "4", "16.4-lts": "3"}


def bundles(every_project: dict[str, Path]) -> Iterator[tuple[str, Bundle]]:
    """Yield every target of every project."""
    for name, project in every_project.items():
        for target in targets_of(project):
            yield f"{name} {target}", read_bundle(project, target)


def test_every_combination_has_the_three_targets(every_project: dict[str, Path]) -> None:
    assert {tuple(sorted(targets_of(project))) for project in every_project.values()} == {tuple(TARGETS)}


def test_every_target_of_every_combination_keeps_the_rules(every_project: dict[str, Path]) -> None:
    assert found(definition.broken_bundle, every_project) == []


def test_every_file_of_every_bundle_satisfies_the_schema_of_the_cli(every_project: dict[str, Path]) -> None:
    if not SCHEMA.is_file():
        reason = "no schema: set BUNDLE_SCHEMA to a file with the output of `databricks bundle schema`"
        warnings.warn(reason, stacklevel=1)
        pytest.skip(reason)
    validator = bundle_validator(SCHEMA)
    seen: dict[str, str] = {}
    for name, project in every_project.items():
        for path, document in documents(project):
            text = json.dumps(document)
            if text not in seen:
                errors = deepest(validator.iter_errors(document))
                seen[text] = "; ".join(f"{name}: {path}: {error.json_path}: {error.message[:200]}" for error in errors)

    assert [problem for problem in seen.values() if problem] == []


def test_the_schema_of_the_cli_refuses_an_unknown_field(every_project: dict[str, Path]) -> None:
    if not SCHEMA.is_file():
        pytest.skip("see the test above")
    document = load(root_file(every_project["shortest"]))
    document = merged(document, {"targets": {"prod": {"run_like": {}}}})

    assert not bundle_validator(SCHEMA).is_valid(document)


def test_tasks_follow_the_pipeline_definition(every_project: dict[str, Path]) -> None:
    assert found(definition.job_differs, every_project) == []


def test_the_verdict_waits_for_every_task(every_project: dict[str, Path]) -> None:
    tasks = {task["task_key"]: task for task in main_job(read_bundle(every_project["shortest"], "prod"))["tasks"]}
    waited: set[str] = set()
    open_keys = ["verdict"]
    while open_keys:
        needed = {item["task_key"] for item in tasks[open_keys.pop()].get("depends_on", [])} - waited
        waited |= needed
        open_keys += needed

    assert waited == tasks.keys() - {"verdict"}


def test_compute_follows_the_answers(every_project: dict[str, Path]) -> None:
    for answers in combinations():
        job = main_job(read_bundle(every_project[label(answers)], "prod"))
        if answers["compute"] == "serverless":
            versions = [item["spec"]["environment_version"] for item in job["environments"]]
            assert versions == [ENVIRONMENT_VERSIONS[answers["runtime"]]]
            assert "job_clusters" not in job
        else:
            (cluster,) = (item["new_cluster"] for item in job["job_clusters"])
            assert cluster["spark_version"] == SPARK_VERSIONS[answers["runtime"]]
            assert [key for key in cluster if key.endswith("_attributes")] == [f"{answers['cloud']}_attributes"]
            assert cluster["autoscale"] == {"min_workers": 1, "max_workers": 8}
            assert "environments" not in job


def test_every_task_but_the_verdict_is_retried_and_all_are_limited_in_time(every_project: dict[str, Path]) -> None:
    never = {"max_retries", "timeout_seconds"}
    retried = {*never, "min_retry_interval_millis", "retry_on_timeout"}
    lacking = [
        f"{name}: {task['task_key']}: {wanted - task.keys()}"
        for name, bundle in bundles(every_project)
        for task in main_job(bundle)["tasks"]
        if (wanted := never if task["task_key"] == "verdict" else retried) - task.keys()
    ]

    assert lacking == []


def test_jobs_report_failures_and_long_runs_and_wait_in_a_queue(every_project: dict[str, Path]) -> None:
    for name, bundle in bundles(every_project):
        for job in bundle.resources("jobs").values():
            assert job["queue"] == {"enabled": True}, name
            assert job["max_concurrent_runs"] == 1, name
            assert job["health"]["rules"], name
            assert job["email_notifications"].keys() >= {
                "on_failure",
                "on_duration_warning_threshold_exceeded",
            }, name
            assert job["webhook_notifications"].keys() == {"on_failure"}, name


def test_only_lab_and_prod_run_on_schedule(every_project: dict[str, Path]) -> None:
    project = every_project["shortest"]
    status = {target: main_job(read_bundle(project, target))["schedule"]["pause_status"] for target in TARGETS}

    assert status == {"dev": "PAUSED", "lab": "UNPAUSED", "prod": "UNPAUSED"}


def test_the_library_is_where_the_bundle_looks_for_it(bake: Bake) -> None:
    assert matches(bake({}) / "resources", "../libs/*.whl")
