"""What the streams remember is what contracts/stream-state.yaml says, so that no checkpoint is broken unnoticed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_stream_that_remembers_other_things_has_another_version() -> None:
    # A process of its own: plans can be read in a classic session, which a process of Spark Connect cannot have.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SPARK_")}
    checked = subprocess.run(
        [sys.executable, "-m", "{{ cookiecutter.package_name }}", "state", "--check"],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
