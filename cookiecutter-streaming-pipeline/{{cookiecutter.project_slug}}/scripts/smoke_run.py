"""Try what was deployed to a target, and let its streams go on with it: `python3 scripts/smoke_run.py lab`.

The streams rest meanwhile, since two runs would write under the same checkpoints. With --restart nothing is tried:
streams that run without end begin anew, with the code that was deployed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

JOB = "{{ cookiecutter.package_name }}_job"
SMOKE = "{{ cookiecutter.package_name }}_{{ "smoke_job" if cookiecutter.compute == "classic" else "job" }}"
ASK_SECONDS = 10
#: How long a run that ends by itself, and a cluster that starts, may take.
END_SECONDS, START_SECONDS = 900, 900


class SmokeFailed(Exception):
    """What was deployed does not run."""


def databricks(*words: str) -> Any:
    """Run a command of the Databricks CLI and return what it answers."""
    done = subprocess.run(["databricks", *words, "--output", "json"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SmokeFailed(f"databricks {' '.join(words[:3])} ended with {done.returncode}")
    return json.loads(done.stdout or "null")


def starts_of(settings: dict[str, Any]) -> str:
    """Return what starts a job by itself: `continuous` or `schedule`."""
    return "continuous" if "continuous" in settings else "schedule"


def active(job: str) -> list[str]:
    """Return the states of a job's runs that have not ended."""
    runs = databricks("jobs", "list-runs", "--job-id", job, "--active-only")
    found = runs.get("runs", []) if isinstance(runs, dict) else runs
    return [run["state"]["life_cycle_state"] for run in found or []]


def wait_until(what: str, condition: Callable[[], bool], seconds: float) -> None:
    """Ask again and again until something is so.

    Raises:
        SmokeFailed: It is not in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SmokeFailed(f"After {seconds:,.0f} s it is still not so that {what}")
        time.sleep(ASK_SECONDS)


@contextmanager
def resting(job: str, settings: dict[str, Any]) -> Iterator[None]:
    """Let a job not start by itself for the length of the block; one that runs without end is stopped."""
    kind = starts_of(settings)
    before = settings[kind]

    def give(status: str) -> None:
        changed = {"job_id": int(job), "new_settings": {kind: {**before, "pause_status": status}}}
        databricks("jobs", "update", "--json", json.dumps(changed))

    give("PAUSED")
    try:
        if kind == "continuous":
            databricks("jobs", "cancel-all-runs", "--job-id", job)
        wait_until("no run of the streams is left", lambda: not active(job), END_SECONDS)
        yield
    finally:
        give(before.get("pause_status", "UNPAUSED"))


def main() -> int:
    """Try the target; return 1 where what was deployed does not run."""
    parser = argparse.ArgumentParser(description="Try what was deployed, then let the streams go on with it.")
    parser.add_argument("target")
    parser.add_argument("--restart", action="store_true", help="try nothing, only let the streams begin anew")
    arguments = parser.parse_args()
    try:
        bundle = databricks("bundle", "summary", "-t", arguments.target)
        job = str(bundle["resources"]["jobs"][JOB]["id"])
        settings = databricks("jobs", "get", job)["settings"]
        kind = starts_of(settings)
        if arguments.restart and kind == "schedule":
            print("The schedule's next run has the code that was deployed.")
            return 0
        with resting(job, settings):
            if not arguments.restart:
                subprocess.run(["databricks", "bundle", "run", "-t", arguments.target, SMOKE], check=True)
        if kind == "continuous" and settings[kind].get("pause_status", "UNPAUSED") == "UNPAUSED":
            wait_until("the streams run", lambda: "RUNNING" in active(job), START_SECONDS)
            print("The streams run.")
    except (SmokeFailed, subprocess.CalledProcessError) as failure:
        print(f"The target {arguments.target} was not tried to the end: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
