"""Properties are checked on the same examples everywhere; the recipes of the README come as code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import CodeType

import pytest
from hypothesis import settings

settings.register_profile("repository", deadline=None, derandomize=True)
settings.load_profile("repository")

# MLflow reports its use over the network otherwise.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# Tests run side by side on all cores; threads of scikit-learn would wait for each other. Read when it is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="session")
def recipes() -> Mapping[str, CodeType]:
    """Return the Python blocks of the README by the heading above them; a traceback shows the README's line."""
    found: dict[str, CodeType] = {}
    heading, start = "", -1
    lines = README.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if start < 0 and line.startswith("#"):
            heading = line.lstrip("# ")
        elif line == "```python":
            start = number + 1
        elif line == "```" and start >= 0:
            assert heading not in found, f"two blocks under {heading!r}"
            found[heading] = compile("\n" * start + "\n".join(lines[start:number]), str(README), "exec")
            start = -1
    return found


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file in which MLflow has made its tables, which takes seconds; a test works on a copy."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("registry") / "mlruns.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path
