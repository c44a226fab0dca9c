"""After a deployment the streams are tried by a run that ends, never beside themselves, and go on afterwards."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from baking import STREAMING, Bakery, choices
from checks import workflows

JOB, SMOKE = "point_of_sale_streams_job", "point_of_sale_streams_smoke_job"
SCHEDULE = {"quartz_cron_expression": "0 0/15 * * * ?", "timezone_id": "UTC"}

# Answers as the Databricks CLI does, strictly: a continuous job cannot be run, and two runs may not write at once.
CLI = """
import json, sys
from pathlib import Path

state_file = Path(__file__).with_name("state.json")
state = json.loads(state_file.read_text())
words = [word for word in sys.argv[1:] if word not in ("--output", "json")]
state["calls"].append(words)

def given(option):
    return words[words.index(option) + 1]

def starts_by_itself(kind):
    return state["settings"].get(kind, {}).get("pause_status") == "UNPAUSED"

def answer():
    if words[:2] == ["bundle", "summary"]:
        return {"resources": {"jobs": {key: {"id": str(number)} for number, key in enumerate(state["jobs"], 11)}}}
    if words[:2] == ["jobs", "get"]:
        assert words[2] == "11"
        return {"job_id": 11, "settings": state["settings"]}
    if words[:2] == ["jobs", "update"]:
        change = json.loads(given("--json"))
        assert change["job_id"] == 11
        state["settings"].update(change["new_settings"])
        return None
    if words[:2] == ["jobs", "cancel-all-runs"]:
        assert given("--job-id") == "11"
        state["ending"], state["runs"] = state["runs"], []
        return None
    if words[:2] == ["jobs", "list-runs"]:
        assert "--active-only" in words
        if state["ending"]:
            return [{"state": {"life_cycle_state": state["ending"].pop() and "TERMINATING"}}]
        if starts_by_itself("continuous"):
            # It begins by itself, first as one that waits for its cluster.
            state["runs"] = ["RUNNING"] if state["runs"] else ["PENDING"]
        elif state["runs"] and "schedule" in state["settings"]:
            state["runs"] = []  # what the schedule has started ends by itself
            return [{"state": {"life_cycle_state": "RUNNING"}}]
        return [{"state": {"life_cycle_state": found}} for found in state["runs"]]
    if words[:2] == ["bundle", "run"]:
        key = words[-1]
        if key == state["jobs"][0] and "continuous" in state["settings"]:
            sys.exit("a continuous job never ends")
        beside = state["runs"] or state["ending"] or starts_by_itself("continuous") or starts_by_itself("schedule")
        if beside:
            sys.exit("the streams run already")
        state["tried"].append(key)
        return sys.exit(1) if state["fails"] else None
    sys.exit(f"unknown: {words}")

try:
    said = answer()
finally:
    state_file.write_text(json.dumps(state))
print(json.dumps(said))
"""


class Workspace:
    """A workspace as the script sees it."""

    def __init__(self, folder: Path, settings: dict[str, Any], runs: list[str]) -> None:
        self._file = folder / "state.json"
        program = folder / "databricks"
        program.write_text(f"#!{sys.executable}\n{CLI}", encoding="utf-8")
        program.chmod(0o755)
        jobs = [JOB, SMOKE] if "continuous" in settings else [JOB]
        lists: dict[str, list[str]] = {"calls": [], "tried": [], "ending": [], "runs": runs}
        self._write({**lists, "jobs": jobs, "settings": settings, "fails": False})

    @property
    def state(self) -> dict[str, Any]:
        """What has become of it."""
        return dict(json.loads(self._file.read_text(encoding="utf-8")))

    def fail(self) -> None:
        """Let what is tried fail."""
        self._write({**self.state, "fails": True})

    def _write(self, state: dict[str, Any]) -> None:
        self._file.write_text(json.dumps(state), encoding="utf-8")


Opened = Callable[[dict[str, Any], list[str]], Workspace]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Return a function that makes a workspace whose CLI is found first."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return lambda settings, runs: Workspace(tmp_path, settings, runs)


@pytest.fixture(scope="module")
def scripts(bakery: Bakery) -> dict[str, ModuleType]:
    """Return the script of a project of each kind of compute, which waits for nothing here."""
    return {compute: script(bakery, compute) for compute in choices()["compute"]}


def script(bakery: Bakery, compute: str) -> ModuleType:
    project = bakery.bake({"compute": compute}, f"smoke-{compute}", STREAMING)
    spec = importlib.util.spec_from_file_location(f"smoke_{compute}", project / "scripts" / "smoke_run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ASK_SECONDS = 0  # type: ignore[attr-defined]  # a constant of the script
    return module


def run(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["smoke_run.py", *arguments])
    return int(module.main())


def continuous(status: str) -> dict[str, Any]:
    return {"name": "streams", "continuous": {"pause_status": status}}


def test_streams_without_end_rest_for_a_run_that_ends_and_go_on(
    scripts: dict[str, ModuleType], workspace: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = workspace(continuous("UNPAUSED"), ["RUNNING"])

    assert run(scripts["classic"], monkeypatch, "lab") == 0

    assert (lab.state["tried"], lab.state["runs"]) == ([SMOKE], ["RUNNING"])
    assert lab.state["settings"] == continuous("UNPAUSED")


def test_streams_that_rest_in_dev_are_tried_and_rest_on(
    scripts: dict[str, ModuleType], workspace: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev = workspace(continuous("PAUSED"), [])

    assert run(scripts["classic"], monkeypatch, "dev") == 0

    assert (dev.state["tried"], dev.state["runs"], dev.state["settings"]) == ([SMOKE], [], continuous("PAUSED"))


def test_streams_of_prod_begin_anew_with_what_was_deployed(
    scripts: dict[str, ModuleType], workspace: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    prod = workspace(continuous("UNPAUSED"), ["RUNNING"])

    assert run(scripts["classic"], monkeypatch, "prod", "--restart") == 0

    assert (prod.state["tried"], prod.state["runs"]) == ([], ["RUNNING"])
    assert ["jobs", "cancel-all-runs", "--job-id", "11"] in prod.state["calls"]


@pytest.mark.parametrize("compute", ["classic", "serverless"])
def test_code_that_does_not_run_fails_the_deployment_and_the_streams_go_on(
    compute: str,
    scripts: dict[str, ModuleType],
    workspace: Opened,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scheduled = {"schedule": {**SCHEDULE, "pause_status": "UNPAUSED"}}
    settings = continuous("UNPAUSED") if compute == "classic" else scheduled
    lab = workspace(settings, [])
    lab.fail()

    assert run(scripts[compute], monkeypatch, "lab") == 1

    assert lab.state["settings"] == settings
    assert "lab was not tried to the end" in capsys.readouterr().err


def test_streams_that_end_are_tried_between_two_starts_of_their_schedule(
    scripts: dict[str, ModuleType], workspace: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"schedule": {**SCHEDULE, "pause_status": "UNPAUSED"}}
    lab = workspace(settings, ["RUNNING"])
    module = scripts["serverless"]

    assert run(module, monkeypatch, "lab") == 0
    assert (lab.state["tried"], lab.state["settings"]) == ([JOB], settings)
    assert ["jobs", "cancel-all-runs", "--job-id", "11"] not in lab.state["calls"]

    # The schedule's next run has what was deployed.
    assert run(module, monkeypatch, "prod", "--restart") == 0
    assert lab.state["tried"] == [JOB]


@pytest.mark.parametrize("compute", ["classic", "serverless"])
@pytest.mark.parametrize("ci", choices()["ci"])
def test_no_ci_waits_for_streams_that_never_end(ci: str, compute: str, bakery: Bakery) -> None:
    project = bakery.bake({"ci": ci, "compute": compute}, f"smoke-{ci}-{compute}", STREAMING)

    text = "".join(path.read_text(encoding="utf-8") for _, path in workflows.ci_files(project))

    assert "bundle run" not in text
    for words in ("smoke_run.py lab\n", "smoke_run.py dev\n", "smoke_run.py prod --restart\n"):
        assert text.count(words) == 1, words
