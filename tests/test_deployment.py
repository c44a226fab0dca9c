"""What a deployment promises in every template: one shared copy, one test run, tables that are looked after."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from baking import ML, STREAMING, TEMPLATE, Bakery
from bundles.bundle_reader import Bundle, load, read_bundle
from databricks_utils.doctor.target import read_target
from installed import from_cache_or_fetched

#: Catalog and principal of a documented grant.
GRANT = re.compile(r"^GRANT USE CATALOG ON CATALOG `([^`]+)` TO `([^`]+)`;$", re.MULTILINE)
TEMPLATES = {"batch": TEMPLATE, "streaming": STREAMING, "ml": ML}
Projects = dict[tuple[str, str], Path]


@pytest.fixture(scope="module")
def projects(bakery: Bakery) -> Projects:
    """Bake every template for each kind of compute: one for GitHub, one for Azure DevOps."""
    return {
        (name, compute): bakery.bake({"compute": compute, "ci": ci}, f"deployed-{name}-{compute}", template)
        for name, template in TEMPLATES.items()
        for compute, ci in (("serverless", "github"), ("classic", "azure-devops"))
    }


def bundles(projects: Projects, *targets: str) -> Iterator[tuple[str, Bundle]]:
    for (name, compute), project in projects.items():
        for target in targets:
            yield f"{name} {compute} {target}", read_bundle(project, target)


def job_named(bundle: Bundle, end: str) -> dict[str, Any]:
    (job,) = (job for key, job in bundle.resources("jobs").items() if key.endswith(end))
    return job


def test_every_project_has_its_tables_looked_after_on_schedule(projects: Projects) -> None:
    for name, bundle in bundles(projects, "dev", "lab", "prod"):
        job = job_named(bundle, "_maintenance_job")
        (task,) = job["tasks"]
        wanted = "PAUSED" if bundle.target == "dev" else "UNPAUSED"
        assert (job["schedule"]["pause_status"], job["max_concurrent_runs"]) == (wanted, 1), name
        words = task["python_wheel_task"]["parameters"]
        # No list of tables: one that is added later is looked after as well.
        assert (words[0], [word for word in words if word.startswith("--tables")]) == ("maintain", []), name
        assert {f"--schema-{layer}" for layer in ("bronze", "silver", "gold", "operations")} <= {
            word.partition("=")[0] for word in words
        }, name


def test_lab_and_prod_are_one_copy_of_a_service_principal_and_dev_is_the_developers(projects: Projects) -> None:
    for name, bundle in bundles(projects, "lab", "prod"):
        root = bundle.written["workspace"]["root_path"]
        assert root == "/Workspace/Users/${var.service_principal}/.bundle/${bundle.name}/${bundle.target}", name
        assert bundle.written["run_as"] == {"service_principal_name": "${var.service_principal}"}, name
        assert "default" not in bundle.written["variables"]["service_principal"], name
    for name, bundle in bundles(projects, "lab"):
        group = bundle.variables["owner_group"]
        assert {"group_name": group, "level": "CAN_MANAGE"} in bundle.resolved["permissions"], name
        assert "mode" not in bundle.own, name
    for name, bundle in bundles(projects, "dev"):
        assert bundle.variables["service_principal"] == "${workspace.current_user.userName}", name
        assert "run_as" not in bundle.resolved, name


@pytest.mark.parametrize("target", ["lab", "prod"])
def test_a_shared_target_by_hand_is_refused_before_anything_is_deployed(
    target: str, projects: Projects, tmp_path: Path
) -> None:
    called = tmp_path / "called"
    (tmp_path / "databricks").write_text(f'#!/bin/sh\necho "$@" >>{called}\n', encoding="utf-8")
    (tmp_path / "databricks").chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("BUNDLE_VAR_", "MAKE"))}
    environment["PATH"] = os.pathsep.join([str(tmp_path), os.environ["PATH"]])

    def made(**more: str) -> subprocess.CompletedProcess[str]:
        command = ["make", "deploy", f"TARGET={target}"]
        project = projects["batch", "serverless"]
        return subprocess.run(
            command, cwd=project, env={**environment, **more}, capture_output=True, text=True, check=False
        )

    refused = made()
    assert refused.returncode == 2
    assert f"{target} belongs to a service principal: set BUNDLE_VAR_service_principal" in refused.stderr
    assert not called.exists()

    assert made(BUNDLE_VAR_service_principal="0000-1111").returncode == 0
    assert called.read_text(encoding="utf-8").splitlines() == [
        f"bundle validate --strict -t {target}",
        f"bundle deploy -t {target}",
    ]


def test_a_pipeline_notifies_nobody_until_somebody_is_named(projects: Projects) -> None:
    for name, bundle in bundles(projects, "dev", "lab", "prod"):
        for pipeline in bundle.resources("pipelines").values():
            assert pipeline["notifications"] == [], name


def test_what_is_merged_is_tested_once_the_way_its_jobs_run(projects: Projects) -> None:
    for (name, compute), project in projects.items():
        mode = "connect" if compute == "serverless" else "classic"
        if (project / ".github").exists():
            steps = load(project / ".github/workflows/deploy.yml")["jobs"]["check"]["steps"]
            runs = [step for step in steps if "test" in step.get("run", "").split()]
            assert [step["env"]["SPARK_MODE"] for step in runs] == [mode], name
            continue
        stages = load(project / "azure-pipelines.yml")["stages"]
        (job,) = (item for stage in stages for item in stage["jobs"] if item.get("job") == "test")
        (step,) = (item for item in job["steps"] if item.get("script") == "make test")
        assert f"eq(variables['SPARK_MODE'], '{mode}')" in step["condition"], name
        assert "notIn(variables['Build.Reason'], 'IndividualCI', 'BatchedCI')" in step["condition"], name


def test_prod_is_done_within_the_limit_that_the_documentation_names(projects: Projects) -> None:
    for (name, _), project in projects.items():
        if (project / ".github").exists():
            limit = load(project / ".github/workflows/deploy.yml")["jobs"]["prod"]["timeout-minutes"]
        else:
            stages = load(project / "azure-pipelines.yml")["stages"]
            (limit,) = (stage["jobs"][0]["timeoutInMinutes"] for stage in stages if stage["stage"] == "prod")
        assert int(limit) == (20 if name == "streaming" else 10), name
        said = (project / "docs" / "deployment.md").read_text(encoding="utf-8")
        assert f"ends after {limit} minutes" in said, name


def test_the_documented_grants_name_the_catalogs_and_groups_of_the_bundle(projects: Projects) -> None:
    for (name, _), project in projects.items():
        said = set(GRANT.findall((project / "docs" / "deployment.md").read_text(encoding="utf-8")))
        wanted = set()
        for target in ("dev", "lab", "prod"):
            variables = read_bundle(project, target).variables
            configured = load(project / "config" / f"{target}.yaml")["catalog"]
            assert variables["catalog"] == configured, (name, target)
            wanted |= {(configured, variables[role]) for role in ("owner_group", "reader_group")}
        assert said == wanted, name


def test_the_doctor_reads_every_target_of_every_bundle_as_the_bundle_is(projects: Projects) -> None:
    for (name, _), project in projects.items():
        for target in ("dev", "lab", "prod"):
            bundle, found = read_bundle(project, target), read_target(project, target, {})
            assert found.variables["catalog"] == bundle.variables["catalog"], (name, target)
            assert found.development is (target == "dev"), (name, target)
            assert found.run_as == ("" if target == "dev" else "${var.service_principal}"), (name, target)
            assert ("warehouse_id" in found.lookups) is (name == "streaming"), (name, target)
            # Without a default, so that it is asked for.
            assert ("service_principal" in found.variables) is (target == "dev"), (name, target)


@pytest.mark.slow
@pytest.mark.parametrize("template", TEMPLATES)
def test_what_tasks_install_are_the_versions_of_the_lock_file(template: str, bakery: Bakery) -> None:
    folder = bakery.bake({}, f"pinned-{template}", TEMPLATES[template])
    begin = (folder / "requirements.txt").read_text(encoding="utf-8")
    project = from_cache_or_fetched(folder, "uv", "lock", "--quiet")

    project.succeed("sh", "scripts/pin.sh")
    written = (folder / "requirements.txt").read_text(encoding="utf-8")
    project.succeed("sh", "scripts/pin.sh")

    assert written.startswith(begin)
    assert (folder / "requirements.txt").read_text(encoding="utf-8") == written
    lock = (folder / "uv.lock").read_text(encoding="utf-8")
    pins = [line for line in written.splitlines() if not line.startswith("#")]
    found = [match for line in pins if (match := re.match(r"([\w.-]+)==([^\s;]+)", line))]
    versions = {match[1]: match[2] for match in found}
    assert len(found) == len(pins)
    assert all(f'name = "{name}"\nversion = "{version}"' in lock for name, version in versions.items())
    assert {"click", "pydantic", "sqlglot"} <= versions.keys()
    # A runtime brings its own Spark; the tools of development stay at home, and the wheels come by their files.
    assert not {"pyspark", "delta-spark", "pytest", "ruff", "databricks-shared-utilities"} & versions.keys()
