"""What the library promises is what is written down."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
SURFACE = ROOT / "contracts" / "utility-library-api.yaml"


def test_the_published_files_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "snapshots.py"), "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, f"{done.stdout}{done.stderr}Look at the difference, then: make snapshots"


def test_every_published_name_can_be_imported() -> None:
    surface = yaml.safe_load(SURFACE.read_text(encoding="utf-8"))

    for room, names in surface.items():
        module = __import__(f"databricks_utils.{room}", fromlist=list(names))
        missing = [name for name in names if not hasattr(module, name)]
        assert not missing, f"{room}: {missing}"


def test_the_rooms_depend_on_each_other_in_one_direction() -> None:
    library = ROOT / "databricks-shared-utilities" / "src" / "databricks_utils"
    order = ["errors", "retry", "runtime", "file_lock", "identity", "spark_client", "sql_literal", "logging", "config"]
    order += ["contracts", "data_quality", "delta", "observability", "session", "pipeline", "medallion", "features"]
    order += ["models", "serving", "streaming", "doctor", "testing", "cli"]

    backward = [
        f"{path.relative_to(library)} imports {line.split()[1]}"
        for path in library.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.lstrip().startswith("from databricks_utils.")
        and (room := path.relative_to(library).parts[0].removesuffix(".py")) in order
        and order.index(line.split()[1].split(".")[1]) > order.index(room)
    ]

    assert backward == []
