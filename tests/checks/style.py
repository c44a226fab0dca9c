"""Style and types of what a template generates, as the project's own linters see them."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

from baking import ROOT, text_files
from yamllint.config import YamlLintConfig
from yamllint.linter import run as lint

#: What the type checker knows of the libraries that all projects import, which is most of its work.
_TYPES = ROOT / "build" / "types-of-projects"


def unformatted(project: Path) -> list[str]:
    """Return the Python files that the formatter would change."""
    return _tool(project, "ruff", "format", "--check", "--no-cache", "--output-format", "concise")


def unclean(project: Path) -> list[str]:
    """Return what the project's own rules find in its Python files."""
    return _tool(project, "ruff", "check", "--no-cache", "--output-format", "concise")


def untyped(project: Path) -> list[str]:
    """Return what the type checker finds in code and tests, with the project's own settings."""
    return _tool(project, "mypy", "--no-error-summary", "--cache-dir", str(_TYPES), folder=())


def unclean_yaml(project: Path) -> list[str]:
    """Return what yamllint finds in YAML files, with the project's own settings."""
    settings = (project / ".yamllint.yaml").read_text(encoding="utf-8")
    return [
        f"{path.relative_to(project).as_posix()}:{problem}"
        for path in text_files(project)
        if path.suffix in {".yml", ".yaml"}
        for problem in _yaml_problems(settings, path.read_text(encoding="utf-8"))
    ]


@cache
def _yaml_problems(settings: str, text: str) -> tuple[str, ...]:
    # Projects share most of their files, and yamllint takes its time, so a text is looked at once.
    found = lint(text, YamlLintConfig(settings))
    return tuple(f"{problem.line}:{problem.column}: {problem.message}" for problem in found)


def _tool(project: Path, *command: str, folder: tuple[str, ...] = (".",)) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", *command, *folder], cwd=project, capture_output=True, text=True, check=False
    )
    lines = (done.stdout + done.stderr).splitlines()
    return [line.removeprefix(f"{project}/") for line in lines if ":" in line] if done.returncode else []
