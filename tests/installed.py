"""A baked project with its environment, used as its owner would: through uv."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

#: Makes uv take what earlier commands have fetched.
OFFLINE = {"UV_OFFLINE": "1"}


def own_environment() -> dict[str, str]:
    """Return the variables of this process without those of the harness's environment and of make."""
    foreign = {"VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    return {key: value for key, value in os.environ.items() if key not in foreign}


@dataclass(frozen=True)
class Installed:
    """A project after `uv sync`.

    Args:
        folder: Root of the project.
        network: Whether its uv may fetch packages. Where an index forbids that its answers are kept, each resolution
            fetches the source archive of Spark anew, and the next installation builds it: 434 MB and half a minute.
    """

    folder: Path
    network: bool = False

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project and return what it said, at a fixed width."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**own_environment(), **({} if self.network else OFFLINE), "COLUMNS": "100"},
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
    return from_cache_or_fetched(folder, "uv", "sync")


def from_cache_or_fetched(folder: Path, *command: str) -> Installed:
    """Run a command of uv in a project; only where an earlier project has not left what it needs, with a network."""
    project = Installed(folder)
    if project.run(*command).returncode:
        Installed(folder, network=True).succeed(*command)
    return project
