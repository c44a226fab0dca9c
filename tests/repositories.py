"""Git repositories to test with: copies of this family, published ones, and projects that a team has committed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from baking import LIBRARY, ROOT, TEMPLATE
from sync import templates_of

DIRECTORY = TEMPLATE.name
TEMPLATES = tuple(path.name for path in templates_of(ROOT))
#: What the family's repository needs besides to bake; caches, environments and tests stay behind.
PARTS = ("cookiecutter.json", "hooks", "templates", "project-files", LIBRARY.name)


def git(*arguments: str, folder: Path) -> str:
    """Run git as a fixed author, away from the user's settings, and return what it prints."""
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "Harness", f"GIT_{role}_EMAIL": "harness@example.org"}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def cruft(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run cruft and return what it said."""
    return subprocess.run(
        [sys.executable, "-m", "cruft", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def copied_family(folder: Path, templates: Sequence[str] = TEMPLATES) -> Path:
    """Copy what the family needs to bake some of its templates into a folder and return the folder."""
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache", "dist", "*.egg-info", "tests")
    for name in (*PARTS, *templates):
        source = ROOT / name
        if source.is_dir():
            # Generated projects have tests of their own, which belong to the template.
            leave_out = ignored if name == LIBRARY.name else shutil.ignore_patterns("__pycache__", ".*_cache")
            shutil.copytree(source, folder / name, ignore=leave_out)
        elif source.exists():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / name)
    return folder


def published_family(folder: Path) -> Path:
    """Publish a copy of the family in a bare repository `family.git`; return a working copy of it beside."""
    bare, clone = folder / "family.git", folder / "family"
    git("init", "--quiet", "--bare", "--initial-branch=main", str(bare), folder=folder)
    git("clone", "--quiet", str(bare), str(clone), folder=folder)
    copied_family(clone)
    git("checkout", "--quiet", "-B", "main", folder=clone)
    published_change(clone, "First version")
    return clone


def published_change(clone: Path, message: str) -> str:
    """Commit and push everything in a working copy of the family and return the commit."""
    git("add", "--all", "--force", folder=clone)
    git("commit", "--quiet", "--message", message, folder=clone)
    git("push", "--quiet", "origin", "main", folder=clone)
    return git("rev-parse", "HEAD", folder=clone)


def committed(project: Path, message: str = "Start") -> Path:
    """Commit everything in a project, as its team would, and return its folder."""
    if not (project / ".git").exists():
        git("init", "--quiet", "--initial-branch=main", folder=project)
    git("add", "--all", folder=project)
    git("commit", "--quiet", "--message", message, folder=project)
    return project
