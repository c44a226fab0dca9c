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

# Started by a test in a process of its own, which ends the process group while a MERGE is running.
DYING_PROGRAM = """
import os, signal, sys, threading
from pathlib import Path
from little_shop import SECOND, SHOP, land, landing, opened
from databricks_utils.medallion import run_pipeline, silver
from databricks_utils.session import create_session
from databricks_utils.session.settings import LocalSpark

folder = Path(sys.argv[1])
spark = create_session(LocalSpark(memory="1g"), "dying", folder / "warehouse", short_lived=True)
shop = opened(spark, folder, sys.argv[2])
run_pipeline(shop, SHOP)
land(landing(shop), SECOND)
merge = silver.merge_by_key

def merge_and_die(*arguments, **named):
    threading.Thread(target=lambda: os.killpg(os.getpgid(0), signal.SIGKILL), daemon=True).start()
    return merge(*arguments, **named)

silver.merge_by_key = merge_and_die
run_pipeline(shop, SHOP)
"""


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
    except Died:
        return
    assert run.status == "failed"


def test_a_process_killed_inside_a_merge_loses_and_doubles_nothing(
    spark: SparkSession, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    mark = "killed"
    dead = subprocess.run(
        [sys.executable, "-c", DYING_PROGRAM, str(tmp_path), mark],
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
