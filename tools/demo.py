"""Bake the batch template with its defaults, run its pipeline and show the results."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "cookiecutter-batch-pipeline"
TARGET = ROOT / "build" / "demo"
COMMAND = "retail-lakehouse"  # the slug that the template's defaults give
GOLD_ROWS = 3
#: The project's settings suit its sample; a million rows want the second compiler and more memory.
SETTINGS = {"sample": (), "full": ("--set", "spark.short_runs=false", "--set", "spark.memory=4g")}


class StepFailed(Exception):
    """A step of the demo ended with an error; the step itself has already said which."""

    def __init__(self, command: Sequence[str], code: int) -> None:
        """Remember which command failed and how."""
        super().__init__(f"exit code {code}: {' '.join(command)}")
        self.code = code


def say(text: str) -> None:
    """Print the heading of a step, before anything the step itself prints."""
    print(f"\n== {text}", flush=True)


def run(command: Sequence[str], folder: Path) -> None:
    """Run a command in a folder, its output going where ours goes.

    Raises:
        StepFailed: The command ended with a code other than 0.
    """
    code = subprocess.run(command, cwd=folder, env=environment_of_projects(), check=False).returncode
    if code:
        raise StepFailed(command, code)


def environment_of_projects() -> dict[str, str]:
    """Return the variables of this process without the environment it runs in, which uv would warn about."""
    return {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}


def bake(template: Path = TEMPLATE, target: Path = TARGET) -> Path:
    """Return a fresh project made from a template's defaults; an earlier one is replaced."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    return Path(cookiecutter(str(template), no_input=True, output_dir=str(target), default_config=True))


def install(project: Path) -> None:
    """Give a project its environment, without a network where an earlier one has fetched everything."""
    say("uv sync")
    fetched = subprocess.run(
        ["uv", "sync", "--quiet", "--offline"],
        cwd=project,
        env=environment_of_projects(),
        capture_output=True,
        check=False,
    )
    if fetched.returncode:
        run(["uv", "sync", "--quiet"], project)


def land(data: str, project: Path) -> None:
    """Put the wanted data into the project's landing folder; the sample is there from the template."""
    if data == "full":
        script, landing = ROOT / "sample-data" / "build.py", project / "data" / "landing"
        run([sys.executable, str(script), "--full", "--output", str(landing)], ROOT)


def demonstrate(data: str) -> None:
    """Go through the steps a user would type, and measure the run."""
    say(f"A new project from the template's defaults, in {TARGET.relative_to(ROOT)}/")
    project = bake()
    install(project)
    land(data, project)
    arguments = ["run", "--env", "local", "--show", str(GOLD_ROWS), *SETTINGS[data]]
    say(f"uv run {COMMAND} {' '.join(arguments)}     ({data} data)")
    started = time.monotonic()
    run(["uv", "run", COMMAND, *arguments], project)
    seconds = time.monotonic() - started
    print(f"\nThe run took {seconds:.0f} s. Look around: cd {os.path.relpath(project)}", flush=True)


def main() -> int:
    """Run the demo; return the exit code of the first step that fails."""
    parser = argparse.ArgumentParser(description="Bake the batch template and run it on retail data.")
    parser.add_argument("--data", choices=("sample", "full"), default="sample", help="default: sample")
    arguments = parser.parse_args()
    try:
        demonstrate(arguments.data)
    except StepFailed as failure:
        print(f"The demo stopped: {failure}", file=sys.stderr)
        return failure.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
