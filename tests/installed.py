"""A baked project with its environment, used as its owner would: through uv."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


def own_environment() -> dict[str, str]:
    """Return the variables of this process without those of the harness's environment and of make."""
    foreign = {"VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    return {key: value for key, value in os.environ.items() if key not in foreign}


@dataclass(frozen=True)
class Installed:
    """A project after `uv sync`.

    Args:
        folder: Root of the project.
    """

    folder: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project and return what it said, at a fixed width."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**own_environment(), "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def succeed(self, *command: str) -> str:
        """Run a command, fail the test with everything it said where it fails, and return its output."""
        started = time.monotonic()
        done = self.run(*command)
        said = f"{' '.join(command)} ({time.monotonic() - started:.0f} s)\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, said
        return done.stdout

    def command(self, *arguments: str) -> tuple[str, ...]:
        """Return the project's own command with arguments."""
        return ("uv", "run", self.folder.name, *arguments)


def install(folder: Path) -> Installed:
    """Install a baked project as its README says."""
    project = Installed(folder)
    # What an earlier project has fetched is not fetched and built again: Spark alone is 450 MB to unpack.
    if project.run("uv", "sync", "--offline").returncode:
        project.succeed("uv", "sync")
    return project
