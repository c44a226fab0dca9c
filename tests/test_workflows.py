"""The CI files of every platform: valid, pinned, no more rights than they need, and their steps really work."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from baking import ML, ROOT, STREAMING, TEMPLATE, Bakery, choices
from bundles.bundle_reader import load
from checks import workflows
from ci_steps import Runner, Step, machine_without_installers, steps_of
from conftest import Bake
from installed import Installed, from_cache_or_fetched
from repositories import committed, git

CHECKS: list[Callable[[Path], list[str]]] = [
    workflows.invalid,
    workflows.mistakes,
    workflows.weaknesses,
    workflows.unpinned,
    workflows.stored_secrets,
    workflows.excessive_rights,
]


@pytest.mark.parametrize("ci", choices()["ci"])
@pytest.mark.parametrize("check", [*CHECKS, workflows.not_validated], ids=lambda check: check.__name__)
def test_ci_files_pass(check: Callable[[Path], list[str]], ci: str, bake: Bake) -> None:
    project = bake({"ci": ci})

    assert {platform for platform, _ in workflows.ci_files(project)} == {ci}
    assert check(project) == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_workflows_of_this_repository_pass(check: Callable[[Path], list[str]]) -> None:
    assert workflows.github_files(ROOT)
    assert check(ROOT) == []


def test_without_actionlint_the_message_is_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, bake: Bake, scratch: Path
) -> None:
    monkeypatch.setattr(workflows, "ROOT", scratch)
    monkeypatch.setenv("PATH", str(scratch))

    with pytest.raises(FileNotFoundError, match=r"run: sh tools/install_actionlint\.sh \.tools/bin$"):
        workflows.mistakes(bake({"ci": "github"}))


def test_a_machine_without_go_installs_everything_else(scratch: Path) -> None:
    (scratch / "bin").mkdir()
    for name in ("sh", "mkdir"):
        (scratch / "bin" / name).symlink_to(str(shutil.which(name)))
    script = str(ROOT / "tools" / "install_actionlint.sh")

    done = subprocess.run(
        ["sh", script, str(scratch / "tools")],
        env={"PATH": str(scratch / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert "this machine has no Go" in done.stderr


def test_an_action_has_the_same_pin_everywhere(bake: Bake) -> None:
    for project in (ROOT, bake({"ci": "github"})):
        text = "".join(path.read_text(encoding="utf-8") for path in workflows.github_files(project))
        pins = set(re.findall(r"uses: (\S+)", text))

        assert sorted(pin.partition("@")[0] for pin in pins) == sorted({pin.partition("@")[0] for pin in pins}), pins


def test_the_weekly_workflow_runs_the_whole_matrix() -> None:
    weekly = load(ROOT / ".github" / "workflows" / "weekly.yml")
    commands = [step.get("run") for job in weekly["jobs"].values() for step in job["steps"]]

    # YAML reads the key `on` as a truth value.
    assert weekly[True]["schedule"]  # type: ignore[index]
    assert "make test-matrix" in commands


def fresh_clone(ci: str, bakery: Bakery, folder: Path, template: Path = TEMPLATE) -> Runner:
    """Bake a project, commit it with its lock file as its README says, and return a machine that has cloned it."""
    project = bakery.bake({"ci": ci}, f"committed-for-{folder.parent.name}", template)
    # Not locked alone: the machine that clones it must find everything that it installs.
    from_cache_or_fetched(project, "uv", "sync", "--quiet").succeed("sh", "scripts/pin.sh")
    committed(project)
    git("clone", "--quiet", str(project), str(folder / "clone"), folder=folder)
    return Runner(folder / "clone", machine_without_installers(folder / "programs"))


def run_job(runner: Runner, ci: str, job: str, mode: str) -> None:
    """Run every step of a job in order; nothing may be changed or left in the clone."""
    steps = steps_of(runner.clone, ci, job, mode)
    assert steps
    for step in steps:
        runner.run(step)
    assert git("status", "--porcelain", folder=runner.clone) == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "ci",
    # All platforms run the same commands, see below: one of them for every change, the others each week.
    ["github", *(pytest.param(ci, marks=pytest.mark.matrix) for ci in ("azure-devops", "gitlab"))],
)
def test_every_step_of_the_lint_job_works_in_a_fresh_clone(ci: str, bakery: Bakery, scratch: Path) -> None:
    run_job(fresh_clone(ci, bakery, scratch), ci, "lint", "classic")


@pytest.mark.slow
@pytest.mark.matrix
@pytest.mark.parametrize(
    ("ci", "mode"),
    # Both modes once; the other platforms run the same commands.
    [("github", "classic"), ("github", "connect"), ("azure-devops", "classic"), ("gitlab", "connect")],
)
def test_every_step_of_the_test_job_works_in_a_fresh_clone(ci: str, mode: str, bakery: Bakery, scratch: Path) -> None:
    run_job(fresh_clone(ci, bakery, scratch), ci, "test", mode)


@pytest.mark.slow
@pytest.mark.matrix
@pytest.mark.parametrize("template", [STREAMING, ML], ids=lambda template: template.name)
@pytest.mark.parametrize("job", ["lint", "test"])
def test_every_step_of_another_template_works_in_a_fresh_clone(
    job: str, template: Path, bakery: Bakery, scratch: Path
) -> None:
    run_job(fresh_clone("github", bakery, scratch, template), "github", job, "classic")


@pytest.mark.parametrize("template", [STREAMING, ML], ids=lambda template: template.name)
@pytest.mark.parametrize("ci", choices()["ci"])
def test_ci_files_of_another_template_pass(ci: str, template: Path, bakery: Bakery) -> None:
    project = bakery.bake({"ci": ci}, f"ci-{ci}-{template.name}", template)

    assert {platform for platform, _ in workflows.ci_files(project)} == {ci}
    assert [finding for check in (*CHECKS, workflows.not_validated) for finding in check(project)] == []


@pytest.mark.parametrize("ci", choices()["ci"])
def test_models_are_deployed_with_the_versions_of_the_registry_in_every_ci(ci: str, bakery: Bakery) -> None:
    """A plain `databricks bundle deploy` knows no version of a champion: it would serve the default, or fail."""
    project = bakery.bake({"ci": ci}, f"deploys-{ci}", ML)
    texts = [path.read_text(encoding="utf-8") for _, path in workflows.ci_files(project)]
    texts.append((project / "Makefile").read_text(encoding="utf-8"))

    assert [text for text in texts if "databricks bundle deploy" in text] == []
    deployed = re.findall(r"python3 scripts/deploy\.py (\S+)", "".join(texts))
    assert deployed == ["lab", "dev", "prod", "$(TARGET)"]


@pytest.mark.parametrize("script", ["false\necho done", "false | cat", "echo ${{ matrix.os }}", "make $(TARGET)"])
def test_a_step_that_fails_or_cannot_be_filled_in_fails_the_test(script: str, scratch: Path) -> None:
    runner = Runner(scratch, machine_without_installers(scratch / "programs"))

    with pytest.raises(AssertionError, match=re.escape(script)):
        runner.run(Step(script))


@pytest.mark.parametrize("ci", choices()["ci"])
def test_the_test_job_runs_in_both_modes_of_spark(ci: str, bake: Bake) -> None:
    for mode in ("classic", "connect"):
        (last,) = (step for step in steps_of(bake({"ci": ci}), ci, "test", mode) if "make test" in step.script)

        assert last.environment["SPARK_MODE"] == mode


def test_every_ci_runs_the_same_checks(bake: Bake) -> None:
    checks = {}
    for ci in choices()["ci"]:
        scripts = [step.script for job in ("lint", "test") for step in steps_of(bake({"ci": ci}), ci, job)]
        installing = ("pip install", "apt-get", "python -m pip")
        checks[ci] = [part for text in scripts for part in text.split(" && ") if not part.startswith(installing)]

    assert checks["github"] == checks["azure-devops"] == checks["gitlab"]
    assert checks["github"].count("make test") == 1


@pytest.mark.slow
def test_the_bundle_builds_the_wheel_that_its_tasks_install(installed: Installed) -> None:
    artifact = load(installed.folder / "bundle.yml")["artifacts"]["project"]
    shutil.rmtree(installed.folder / "dist", ignore_errors=True)

    installed.succeed("bash", "-e", "-c", artifact["build"])

    (wheel,) = (installed.folder / "dist").glob("*.whl")
    assert wheel.name == "retail_lakehouse-0.1.0-py3-none-any.whl"
