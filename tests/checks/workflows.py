"""CI files: valid for their platform, pinned, with no more rights than they need and no stored secret."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from baking import ROOT
from bundles.bundle_reader import load, targets_of

#: Files of each CI system, and the name of its schema in check-jsonschema.
PLATFORMS = {
    "github": (".github/workflows/*.yml", "vendor.github-workflows"),
    "azure-devops": ("azure-pipelines.yml", "vendor.azure-pipelines"),
    "gitlab": (".gitlab-ci.yml", "vendor.gitlab-ci"),
}
#: Sign-in without a secret is the rule, so these names have no place in a CI file.
STORED_SECRET = re.compile(r"DATABRICKS_TOKEN|DATABRICKS_CLIENT_SECRET|\bsecrets\.(?!GITHUB_TOKEN)|dapi[0-9a-f]{8}")
PINNED = re.compile(r"(?:\./.*|\S+@[0-9a-f]{40})")
INSTALL_ACTIONLINT = "sh tools/install_actionlint.sh .tools/bin"


def ci_files(project: Path) -> Iterator[tuple[str, Path]]:
    """Yield platform and file of every CI file in a project."""
    for platform, (pattern, _) in PLATFORMS.items():
        for path in sorted(project.glob(pattern)):
            yield platform, path


def github_files(project: Path) -> list[Path]:
    """Return the GitHub workflows of a project."""
    return [path for platform, path in ci_files(project) if platform == "github"]


def invalid(project: Path) -> list[str]:
    """Return what the schema of each platform refuses, as `file: place: what is wrong`."""
    found = []
    for platform, path in ci_files(project):
        with tempfile.TemporaryDirectory() as scratch:
            # The schema of Azure DevOps describes every number and truth value as the text that stands in the file.
            checked = _as_text(path, Path(scratch)) if platform == "azure-devops" else path
            options = ("--regex-variant", "nonunicode", "--output-format", "json")
            schema = PLATFORMS[platform][1]
            done = _run(sys.executable, "-m", "check_jsonschema", *options, "--builtin-schema", schema, str(checked))
        said = json.loads(done.stdout)
        name = path.relative_to(project).as_posix()
        found += [f"{name}: {error['path']}: {_reason(error)}" for error in said.get("errors", [])]
        found += [f"{name}: {error['message'].splitlines()[0]}" for error in said.get("parse_errors", [])]
    return found


def _reason(error: dict[str, Any]) -> str:
    best = (error.get("best_match") or {}).get("message", "") if error.get("has_sub_errors") else ""
    return str(best or error["message"])[:300]


def _as_text(path: Path, folder: Path) -> Path:
    target = folder / f"{path.stem}.json"
    with path.open(encoding="utf-8") as stream:
        target.write_text(json.dumps(yaml.load(stream, yaml.BaseLoader)), encoding="utf-8")
    return target


def mistakes(project: Path) -> list[str]:
    """Return what actionlint finds in GitHub workflows: unknown contexts, matrix keys, inputs, bad expressions.

    Raises:
        FileNotFoundError: actionlint is not installed; the message says how to install it.
    """
    files = [path.relative_to(project).as_posix() for path in github_files(project)]
    if not files:
        return []
    # Without its two optional programs the result is the same on every machine.
    options = ("-oneline", "-no-color", "-shellcheck=", "-pyflakes=")
    done = _run(str(actionlint()), *options, *files, folder=project)
    return (done.stdout + done.stderr).splitlines() if done.returncode else []


def actionlint() -> Path:
    """Return the program, from .tools/ or the path."""
    own = ROOT / ".tools" / "bin" / "actionlint"
    found = str(own) if own.is_file() else shutil.which("actionlint")
    if not found:
        raise FileNotFoundError(f"actionlint is not installed. Install Go, then run: {INSTALL_ACTIONLINT}")
    return Path(found)


def weaknesses(project: Path) -> list[str]:
    """Return what zizmor finds in GitHub workflows: injection, excessive permissions, credentials left behind."""
    files = [path.relative_to(project).as_posix() for path in github_files(project)]
    if not files:
        return []
    program = shutil.which("zizmor", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert program is not None, "zizmor is not installed; run: make setup"
    done = _run(program, "--offline", "--no-config", "--quiet", "--format", "json", *files, folder=project)
    return [_weakness(finding) for finding in json.loads(done.stdout)]


def _weakness(finding: dict[str, Any]) -> str:
    location = next(item for item in finding["locations"] if item["symbolic"]["kind"] == "Primary")
    path = location["symbolic"]["key"]["Local"]["verbatim_path"]
    line = location["concrete"]["location"]["start_point"]["row"] + 1
    return f"{path}:{line}: {finding['ident']}: {location['symbolic']['annotation'] or finding['desc']}"


def unpinned(project: Path) -> list[str]:
    """Return the actions that are not pinned to a commit."""
    return [
        f"{path.relative_to(project).as_posix()}:{number}: {use[1]} is not pinned to a commit"
        for path in github_files(project)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (use := re.search(r"\buses: *(\S+)", line)) and not PINNED.fullmatch(use[1])
    ]


def stored_secrets(project: Path) -> list[str]:
    """Return the lines of CI files that use a stored secret, where signing in needs none."""
    return [
        f"{path.relative_to(project).as_posix()}:{number}: uses a stored secret: {line.strip()}"
        for _, path in ci_files(project)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if STORED_SECRET.search(line)
    ]


def excessive_rights(project: Path) -> list[str]:
    """Return the GitHub jobs that may do more than read, unless they sign in to a workspace."""
    found = []
    for path in github_files(project):
        name, workflow = path.relative_to(project).as_posix(), load(path)
        if workflow.get("permissions") != {}:
            found.append(f"{name}: permissions: {workflow.get('permissions')!r} instead of none for the whole workflow")
        for key, job in workflow["jobs"].items():
            allowed = {"contents": "read"}
            if (job.get("env") or {}).get("DATABRICKS_AUTH_TYPE") == "github-oidc":
                allowed["id-token"] = "write"
            if job.get("permissions") != allowed:
                found.append(f"{name}: jobs.{key}.permissions: {job.get('permissions')!r} instead of {allowed!r}")
    return found


def not_validated(project: Path) -> list[str]:
    """Return the targets that a CI file does not validate strictly before they are deployed."""
    found = []
    checked = {"github": ".github/workflows/ci.yml", "azure-devops": "azure-pipelines.yml", "gitlab": ".gitlab-ci.yml"}
    for platform, path in ci_files(project):
        name = path.relative_to(project).as_posix()
        if name != checked[platform]:
            continue
        text = path.read_text(encoding="utf-8")
        targets = set(re.findall(r"bundle validate --strict -t (\w+)", text))
        if platform == "github" and 'bundle validate --strict -t "$TARGET"' in text:
            targets |= set(load(path)["jobs"]["validate"]["strategy"]["matrix"]["target"])
        found += [
            f"{name}: target {target} is not validated" for target in targets_of(project) if target not in targets
        ]
    return found


def _run(*command: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
