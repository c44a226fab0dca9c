"""The environment of a Python process that a test starts, as a user's command would find it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping


def own_environment() -> Mapping[str, str]:
    """Return this environment with the modules of this process, and without what pyspark has set for its session.

    That would decide the mode of the other process too: over Spark Connect no local session could start in it.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
    return {**inherited, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
