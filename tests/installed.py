"""A baked project with its environment, used as its owner would: through uv."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Installed:
    """A project after `uv sync`.

    Args:
        folder: Root of the project.
    """

    folder: Path

    def uv(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run uv in the project and return what it said, at a fixed width."""
        # The harness runs in an environment of its own, which is not the project's.
        foreign = {"VIRTUAL_ENV", "PYTHONPATH"}
        environment = {key: value for key, value in os.environ.items() if key not in foreign}
        return subprocess.run(
            ["uv", *arguments],
            cwd=self.folder,
            env={**environment, "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def succeed(self, *arguments: str) -> str:
        """Run uv, fail the test with everything it said where it fails, and return its output."""
        started = time.monotonic()
        done = self.uv(*arguments)
        said = f"uv {' '.join(arguments)} ({time.monotonic() - started:.0f} s)\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, said
        return done.stdout


def install(folder: Path) -> Installed:
    """Install a baked project as its README says."""
    project = Installed(folder)
    project.succeed("sync")
    return project
