"""Python processes that a test starts: their environment, as a user's command would find it, and their deaths."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pyarrow
from pyarrow import parquet


def own_environment() -> Mapping[str, str]:
    """Return this environment with the modules of this process, and without what pyspark has set for its session.

    That would decide the mode of the other process too: over Spark Connect no local session could start in it.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
    return {**inherited, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def run_until_killed(program: str, *arguments: str) -> None:
    """Run a program in a process group of its own; fail the test unless it ends its group with SIGKILL."""
    dead = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=own_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )
    assert dead.returncode == -signal.SIGKILL, dead.stderr


def uncommitted(table: Path) -> list[Path]:
    """Return the data files in a table's folder of which its log says nothing.

    A task without rows writes a file too, which Delta Lake leaves out of the commit; such a file is no data.
    """
    log = "".join(path.read_text() for path in (table / "_delta_log").glob("*.json"))
    files = [path for path in table.rglob("*.parquet") if "_delta_log" not in path.parts and path.name not in log]
    return [path for path in files if not _without_rows(path)]


def _without_rows(file: Path) -> bool:
    try:
        return bool(parquet.read_metadata(file).num_rows == 0)
    except pyarrow.ArrowInvalid:
        return False  # cut off while it was written
