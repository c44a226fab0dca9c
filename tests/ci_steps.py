"""Reads the steps of a CI job, whichever platform it is written for, and runs them as that platform would."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundles.bundle_reader import load
from installed import OFFLINE, own_environment

#: Settings of a CI machine that the machine of the harness need not have: which Python uv takes or would download.
MACHINE = {"UV_PYTHON"}
#: Programs that change the machine itself. What they would install is there already, so they only have to succeed.
INSTALLERS = ("apt-get", "pip")


@dataclass(frozen=True)
class Step:
    """One script of a job.

    Args:
        script: What the shell runs.
        environment: The variables that workflow, job and step set.
    """

    script: str
    environment: Mapping[str, str] = field(default_factory=dict)


def steps_of(project: Path, platform: str, job: str, mode: str = "classic") -> list[Step]:
    """Return the scripts of a job in order, filled in for one mode of Spark."""
    return list(READERS[platform](project, job, mode))


def _github(project: Path, job: str, mode: str) -> Iterator[Step]:
    workflow = load(project / ".github" / "workflows" / "ci.yml")
    own = workflow["jobs"][job]
    for step in own["steps"]:
        if "run" in step:
            variables = _texts(workflow, own, step, key="env")
            filled = {key: value.replace("${{ matrix.spark-mode }}", mode) for key, value in variables.items()}
            yield Step(step["run"], filled)


def _azure_devops(project: Path, job: str, mode: str) -> Iterator[Step]:
    stages = load(project / "azure-pipelines.yml")["stages"]
    (own,) = (item for stage in stages for item in stage["jobs"] if item.get("job") == job)
    matrix = own.get("strategy", {}).get("matrix", {}).get(mode, {})
    for step in own["steps"]:
        if "script" in step:
            yield Step(step["script"], {**matrix, **_texts(step, key="env")})


def _gitlab(project: Path, job: str, mode: str) -> Iterator[Step]:
    document = load(project / ".gitlab-ci.yml")
    own = document[job]
    rows = own.get("parallel", {}).get("matrix", [])
    matrix = {key: mode for row in rows for key, values in row.items() if mode in values}
    variables = {**_texts(document, own, key="variables"), **matrix}
    # The runner hands all lines to one shell; one step for each line tells more when one of them fails.
    for line in [*own.get("before_script", document["default"]["before_script"]), *own["script"]]:
        yield Step(line, variables)


READERS: dict[str, Callable[[Path, str, str], Iterator[Step]]] = {
    "github": _github,
    "azure-devops": _azure_devops,
    "gitlab": _gitlab,
}


def _texts(*levels: Mapping[str, Any], key: str) -> dict[str, str]:
    return {name: str(value) for level in levels for name, value in (level.get(key) or {}).items()}


@dataclass(frozen=True)
class Runner:
    """A CI machine: a fresh clone of a project, and installers that do nothing.

    Args:
        clone: The clone.
        programs: Folder with the installers, first on the path.
    """

    clone: Path
    programs: Path

    def run(self, step: Step) -> None:
        """Run a step; fail the test with everything it said where it fails."""
        unknown = re.findall(r"\$\{\{.*?\}\}|\$\([A-Z]\w*\.?\w*\)", step.script)
        assert not unknown, f"the harness cannot fill in {unknown} of: {step.script}"
        set_here = {key: value for key, value in step.environment.items() if key not in MACHINE}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step.script],
            cwd=self.clone,
            env={
                **own_environment(),
                **OFFLINE,
                **set_here,
                "CI": "true",
                "PATH": os.pathsep.join([str(self.programs), os.environ["PATH"]]),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{step.script}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}"


def machine_without_installers(folder: Path) -> Path:
    """Make installers that only succeed, and a python that passes everything but `-m pip` on; return their folder."""
    folder.mkdir()
    for name in INSTALLERS:
        _program(folder / name, "exit 0")
    _program(folder / "python", 'case "$1 ${2:-}" in "-m pip") exit 0 ;; esac\nexec python3 "$@"')
    return folder


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
