"""Every bundle that the template can bake keeps the rules, in every target."""

from __future__ import annotations

import ast
import json
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from baking import ROOT, TEMPLATE, Answers, choices, combinations, label
from bundles.bundle_reader import Bundle, load, merged, read_bundle, root_file, targets_of
from bundles.bundle_rules import matches, problems
from conftest import NAMES, Bake
from cookiecutter.main import cookiecutter
from jsonschema import Draft202012Validator, ValidationError

TARGETS = ["dev", "lab", "prod"]
SCHEMA = Path(os.environ.get("BUNDLE_SCHEMA", ROOT.parent / "shared" / "facts" / "bundle-schema.json"))
SPARK_VERSIONS = {"18-lts": "18.x-scala2.13", "17.3-lts": "17.3.x-scala2.13", "16.4-lts": "16.4.x-scala2.12"}
ENVIRONMENT_VERSIONS = {"18-lts": "5", "17.3-lts": "4", "16.4-lts": "3"}
CI_FILES = {
    "github": ".github/workflows/ci.yml",
    "azure-devops": "azure-pipelines.yml",
    "gitlab": ".gitlab-ci.yml",
}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Projects of every combination of choices, and of the longest and shortest names, before the hooks."""
    folder = tmp_path_factory.mktemp("bundles")
    every: dict[str, Answers] = {label(answers): answers for answers in combinations()}
    return {name: render(answers, folder / name) for name, answers in {**every, **NAMES}.items()}


def render(answers: Answers, folder: Path) -> Path:
    """Render the template without hooks."""
    done = cookiecutter(
        str(TEMPLATE), no_input=True, extra_context=dict(answers), output_dir=str(folder), accept_hooks=False
    )
    return Path(done)


def bundles(rendered: dict[str, Path]) -> Iterator[tuple[str, Bundle]]:
    """Yield every target of every project."""
    for name, project in rendered.items():
        for target in targets_of(project):
            yield f"{name} {target}", read_bundle(project, target)


def main_job(bundle: Bundle) -> dict[str, Any]:
    """Return the job that runs the tables."""
    (job,) = (job for key, job in bundle.resources("jobs").items() if not key.endswith("_pipeline_job"))
    return dict(job)


def test_every_combination_has_the_three_targets(rendered: dict[str, Path]) -> None:
    assert {tuple(sorted(targets_of(project))) for project in rendered.values()} == {tuple(TARGETS)}


def test_every_target_of_every_combination_keeps_the_rules(rendered: dict[str, Path]) -> None:
    said = [f"{name}: {problem}" for name, bundle in bundles(rendered) for problem in problems(bundle)]

    assert said == []


def test_every_file_of_every_bundle_satisfies_the_schema_of_the_cli(rendered: dict[str, Path]) -> None:
    if not SCHEMA.is_file():
        reason = "no schema: set BUNDLE_SCHEMA to a file with the output of `databricks bundle schema`"
        warnings.warn(reason, stacklevel=1)
        pytest.skip(reason)
    validator = bundle_validator(SCHEMA)
    seen: dict[str, str] = {}
    for name, project in rendered.items():
        for path, document in documents(project):
            text = json.dumps(document)
            if text not in seen:
                errors = deepest(validator.iter_errors(document))
                seen[text] = "; ".join(f"{name}: {path}: {error.json_path}: {error.message[:200]}" for error in errors)

    assert [problem for problem in seen.values() if problem] == []


def documents(project: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the files of a bundle; resources that a target overrides are whole, as the CLI merges them."""
    for path in sorted((project / "resources").glob("*.yml")):
        yield path.name, load(path)
    root = load(root_file(project))
    for target, own in root["targets"].items():
        whole = read_bundle(project, target).written["resources"]
        resources = {kind: {key: whole[kind][key] for key in group} for kind, group in own.get("resources", {}).items()}
        yield (
            f"{target} in {root_file(project).name}",
            {**root, "targets": {target: {**own, "resources": resources}}},
        )


def deepest(errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    """Yield the errors inside the branch that a value was meant for, not "matches no branch"."""
    for error in errors:
        nearest = max(error.context or [], key=lambda inner: len(inner.absolute_path), default=None)
        if nearest is None:
            yield error
        else:
            yield from deepest([nearest])


def bundle_validator(path: Path) -> Draft202012Validator:
    """Return a validator whose patterns do without the Unicode classes that Python lacks."""
    text = path.read_text(encoding="utf-8")
    text = text.replace(r"[\\p{L}\\p{N}]", "[A-Za-z0-9]").replace(r"\\p{L}", "[A-Za-z]")
    return Draft202012Validator(json.loads(text))


def test_the_schema_of_the_cli_refuses_an_unknown_field(rendered: dict[str, Path]) -> None:
    if not SCHEMA.is_file():
        pytest.skip("see the test above")
    document = load(root_file(rendered["shortest"]))
    document = merged(document, {"targets": {"prod": {"run_like": {}}}})

    assert not bundle_validator(SCHEMA).is_valid(document)


def test_tasks_follow_the_pipeline_definition(rendered: dict[str, Path]) -> None:
    project = rendered["shortest"]
    defined = {table: sorted(reads) for table, reads in definition(project).items()}

    for target in TARGETS:
        tasks = main_job(read_bundle(project, target))["tasks"]
        assert {table_of(task): reads_of(task, tasks) for task in tasks if table_of(task)} == defined


def definition(project: Path) -> dict[str, set[str]]:
    """Return what each table reads, from the text of the pipeline definition."""
    (path,) = project.glob("src/*/orchestration/pipeline_definition.py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lookups = {
        node.targets[0].id: ast.literal_eval(node.value.args[0])
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and called(node.value) == "Lookup"
        and isinstance(node.value, ast.Call)
    }
    tables = {}
    for call in (node for node in ast.walk(tree) if called(node) in {"Bronze", "Silver", "Gold"}):
        assert isinstance(call, ast.Call)
        given = {item.arg: item.value for item in call.keywords}
        listed = given.get("lookups")
        names = listed.elts if isinstance(listed, ast.List) else []
        reads = {lookups[name.id] for name in names if isinstance(name, ast.Name)}
        if "reads" in given:
            reads.add(ast.literal_eval(given["reads"]))
        tables[f"{str(called(call)).lower()}.{ast.literal_eval(call.args[0])}"] = reads
    return tables


def called(node: ast.AST | None) -> str | None:
    """Return the name of the class or function that a node calls."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None


def table_of(task: dict[str, Any]) -> str | None:
    """Return the table that a task brings up to date."""
    parameters = task["python_wheel_task"]["parameters"]
    return next((text.partition("=")[2] for text in parameters if text.startswith("--tables=")), None)


def reads_of(task: dict[str, Any], tasks: list[dict[str, Any]]) -> list[str]:
    """Return the tables of the tasks that a task waits for."""
    tables = {other["task_key"]: str(table_of(other)) for other in tasks}
    return sorted(tables[item["task_key"]] for item in task.get("depends_on", []))


def test_the_report_waits_for_every_table(rendered: dict[str, Path]) -> None:
    tasks = {task["task_key"]: task for task in main_job(read_bundle(rendered["shortest"], "prod"))["tasks"]}
    waited: set[str] = set()
    open_keys = ["report"]
    while open_keys:
        needed = {item["task_key"] for item in tasks[open_keys.pop()].get("depends_on", [])} - waited
        waited |= needed
        open_keys += needed

    assert waited == tasks.keys() - {"report"}


def test_compute_follows_the_answers(rendered: dict[str, Path]) -> None:
    for answers in combinations():
        job = main_job(read_bundle(rendered[label(answers)], "prod"))
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


def test_every_task_is_retried_and_limited_in_time(rendered: dict[str, Path]) -> None:
    wanted = {"max_retries", "min_retry_interval_millis", "retry_on_timeout", "timeout_seconds"}
    lacking = [
        f"{name}: {task['task_key']}: {wanted - task.keys()}"
        for name, bundle in bundles(rendered)
        for task in main_job(bundle)["tasks"]
        if wanted - task.keys()
    ]

    assert lacking == []


def test_jobs_report_failures_and_long_runs_and_wait_in_a_queue(rendered: dict[str, Path]) -> None:
    for name, bundle in bundles(rendered):
        for job in bundle.resources("jobs").values():
            assert job["queue"] == {"enabled": True}, name
            assert job["max_concurrent_runs"] == 1, name
            assert job["health"]["rules"], name
            assert job["email_notifications"].keys() >= {
                "on_failure",
                "on_duration_warning_threshold_exceeded",
            }, name
            assert job["webhook_notifications"].keys() == {"on_failure"}, name


def test_only_lab_and_prod_run_on_schedule(rendered: dict[str, Path]) -> None:
    project = rendered["shortest"]
    status = {target: main_job(read_bundle(project, target))["schedule"]["pause_status"] for target in TARGETS}

    assert status == {"dev": "PAUSED", "lab": "UNPAUSED", "prod": "UNPAUSED"}


@pytest.mark.parametrize("ci", choices()["ci"])
def test_ci_validates_every_target_strictly(ci: str, rendered: dict[str, Path]) -> None:
    name = next(name for name in rendered if name.endswith(f"-{ci}"))
    text = (rendered[name] / CI_FILES[ci]).read_text(encoding="utf-8")

    targets = set(re.findall(r"bundle validate --strict -t (\w+)", text))
    if ci == "github":
        targets = set(load(rendered[name] / CI_FILES[ci])["jobs"]["validate"]["strategy"]["matrix"]["target"])
        assert 'bundle validate --strict -t "$TARGET"' in text

    assert targets == set(TARGETS)


def test_the_library_is_where_the_bundle_looks_for_it(bake: Bake) -> None:
    assert matches(bake({}) / "resources", "../libs/*.whl")
