"""The project under test: its definition, an empty lakehouse over chosen events, and a copy that a test may spoil."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from databricks_utils.cli.project import Opened
from databricks_utils.medallion import Lakehouse
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.__main__ import PROJECT

ROOT = Path(__file__).resolve().parents[1]

NewLakehouse = Callable[[Path], Lakehouse]


@pytest.fixture(scope="session")
def project() -> Opened:
    """Return the project as it is on disk."""
    return PROJECT.open("local", str(ROOT))


@pytest.fixture(scope="session")
def new_lakehouse(spark: SparkSession, warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> NewLakehouse:
    """Return a function that opens an empty lakehouse over a landing folder, with schemas of its own."""

    def opened(landing: Path) -> Lakehouse:
        folder = tmp_path_factory.mktemp("lakehouse")
        layers = ("bronze", "silver", "gold", "operations")
        overrides = {
            **{f"schemas.{layer}": f"{layer}_{folder.name}" for layer in layers},
            "storage.landing": str(landing),
            "storage.warehouse": str(warehouse),
            "storage.checkpoints": str(folder / "checkpoints"),
            "storage.reports": str(folder / "reports"),
            "execution.retries": "0",
        }
        found = PROJECT.open("local", str(ROOT), **overrides)
        return Lakehouse(spark, found.configuration, found.contracts)

    return opened


@pytest.fixture
def project_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change into a copy of the project that a test may spoil, and return its folder."""
    folder = tmp_path / "project"
    generated = shutil.ignore_patterns(".*", "__pycache__", "libs", "dist", "build")
    shutil.copytree(ROOT, folder, ignore=generated)
    monkeypatch.chdir(folder)
    return folder
