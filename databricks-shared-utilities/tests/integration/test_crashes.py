"""Runs that die, at whatever moment: the next run ends with the tables of a pipeline that nothing happened to."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from little_shop import SECOND, SHOP, Undisturbed, closed, contents, land, landing, opened, succeeded
from own_process import own_environment
from pyspark.sql import SparkSession

from databricks_utils.errors import RunFailed
from databricks_utils.medallion import Lakehouse, bronze, gold, run_pipeline, runner, silver

#: Where a run dies in its first delivery and in its second: the module whose call it is, the call, and the moment.
FIRST_DEATHS = (
    (bronze, "append", "before"),
    (bronze, "append", "after"),
    (silver, "overwrite", "after"),
    (gold, "overwrite", "before"),
    (gold, "overwrite", "after"),
    (runner, "save_progress", "before"),
    (runner, "save_progress", "after"),
)
SECOND_DEATHS = (
    (bronze, "append", "after"),
    (silver, "merge_by_key", "before"),
    (silver, "merge_by_key", "after"),
    (silver, "overwrite", "after"),
    (gold, "merge_by_key", "after"),
    (gold, "overwrite", "after"),
    (runner, "save_progress", "before"),
)

# Started by a test in a process of its own, which ends its process group at a call: before it, while it runs, after it.
DYING_PROGRAM = """
import importlib, os, signal, sys, threading
from pathlib import Path
from little_shop import SECOND, SHOP, land, landing, opened
from databricks_utils.medallion import run_pipeline
from databricks_utils.session import create_session
from databricks_utils.session.settings import LocalSpark

folder, mark, place, name, moment = Path(sys.argv[1]), *sys.argv[2:]
spark = create_session(LocalSpark(memory="1g"), "dying", folder / "warehouse", short_lived=True)
shop = opened(spark, folder, mark)
run_pipeline(shop, SHOP)
land(landing(shop), SECOND)
module = importlib.import_module(place)
original = getattr(module, name)

def die():
    os.killpg(os.getpgid(0), signal.SIGKILL)

def call_and_die(*arguments, **named):
    if moment == "during":
        threading.Thread(target=die, daemon=True).start()
    original(*arguments, **named)
    die()

setattr(module, name, call_and_die)
run_pipeline(shop, SHOP)
"""
MEDALLION = "databricks_utils.medallion"
KILLS = (
    (f"{MEDALLION}.silver", "merge_by_key", "during"),
    (f"{MEDALLION}.bronze", "append", "during"),
    (f"{MEDALLION}.bronze", "append", "after"),
    (f"{MEDALLION}.silver", "overwrite", "after"),
    (f"{MEDALLION}.gold", "merge_by_key", "during"),
    (f"{MEDALLION}.gold", "overwrite", "during"),
    (f"{MEDALLION}.runner", "save_progress", "during"),
    (f"{MEDALLION}.runner", "save_progress", "after"),
)


class Died(RuntimeError):
    """Stands for the end of the process, at a moment that a test chose."""


def dying(original: Callable[..., object], moment: str, met: list[str]) -> Callable[..., object]:
    """Return the function, dying before or after it has done its work, and noting that it died."""

    def dies(*arguments: object, **named: object) -> object:
        met.append(moment)
        if moment == "after":
            original(*arguments, **named)
        raise Died(moment)

    return dies


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, tmp_path)
    yield lakehouse
    closed(lakehouse)


def test_runs_that_die_at_every_commit_leave_what_an_undisturbed_pipeline_leaves(
    shop: Lakehouse, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch, spark_mode: str
) -> None:
    if spark_mode == "connect":
        pytest.skip("a batch of bronze is written in the server's own Python, where no test reaches in")
    for deaths, files in ((FIRST_DEATHS, SECOND), (SECOND_DEATHS, {})):
        for module, name, moment in deaths:
            met: list[str] = []
            with monkeypatch.context() as patch:
                patch.setattr(module, name, dying(getattr(module, name), moment, met))
                run_until_death(shop)
            assert met, f"{module.__name__}.{name} was not called"
        succeeded(run_pipeline(shop, SHOP))
        land(landing(shop), files)

    assert contents(shop) == undisturbed.second


def run_until_death(shop: Lakehouse) -> None:
    """Run the pipeline, which dies in a table's turn or between them."""
    try:
        run = run_pipeline(shop, SHOP)
    except RunFailed as error:  # the note about what was written could not be made
        if not isinstance(error.__cause__, Died):
            raise
        return
    except Died:
        return
    assert run.status == "failed"


@pytest.mark.parametrize(
    ("place", "name", "moment"), [KILLS[0], *(pytest.param(*kill, marks=pytest.mark.matrix) for kill in KILLS[1:])]
)
def test_a_killed_process_loses_and_doubles_nothing(
    spark: SparkSession, undisturbed: Undisturbed, tmp_path: Path, place: str, name: str, moment: str
) -> None:
    mark = f"killed_{KILLS.index((place, name, moment))}"
    dead = subprocess.run(
        [sys.executable, "-c", DYING_PROGRAM, str(tmp_path), mark, place, name, moment],
        env=own_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )
    assert dead.returncode == -signal.SIGKILL, dead.stderr

    shop = opened(spark, tmp_path, mark)
    land(landing(shop), SECOND)
    succeeded(run_pipeline(shop, SHOP))

    assert contents(shop) == undisturbed.second
    closed(shop)
