"""The project under test, and one lakehouse that goes the whole way from files to a page."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from databricks_utils.cli.project import Opened
from databricks_utils.features import FeatureRegistry, FeatureStore
from databricks_utils.medallion import Lakehouse
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.__main__ import PROJECT
from {{ cookiecutter.package_name }}.features.registry import feature_registry

ROOT = Path(__file__).resolve().parents[1]
# Tests run side by side on all cores; threads of their own would wait for each other. Read when scikit-learn is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def project() -> Opened:
    """Return the project as it is on disk."""
    return PROJECT.open("local", str(ROOT))


@pytest.fixture(scope="session")
def registry(project: Opened) -> FeatureRegistry:
    """Return the checked definitions."""
    return feature_registry(project.contracts)


@pytest.fixture(scope="session")
def own(warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return configuration values that keep tables, runs and models of the tests in a folder of their own."""
    folder = tmp_path_factory.mktemp("models")
    layers = ("bronze", "silver", "gold", "operations")
    return {
        **{f"schemas.{layer}": f"{layer}_{folder.name}" for layer in layers},
        "storage.warehouse": str(warehouse),
        "storage.checkpoints": str(folder / "checkpoints"),
        "storage.reports": str(folder / "reports"),
        "models.tracking_uri": f"sqlite:////{folder}/mlflow.db",
        "models.registry_uri": f"sqlite:////{folder}/mlflow.db",
        "models.artifacts": str(folder / "files"),
        "models.online_store": str(folder / "online.db"),
        "models.assignments": str(folder / "assignments.db"),
        "parameters.drift_minimum_rows": "20",
        "parameters.performance_minimum_rows": "20",
    }


@pytest.fixture(scope="session")
def opened(own: dict[str, str]) -> Opened:
    """Return the project with those values."""
    return PROJECT.open("local", str(ROOT), **own)


@pytest.fixture(scope="session")
def lakehouse(spark: SparkSession, opened: Opened) -> Lakehouse:
    """Return the lakehouse of the tests; `test_whole_way` fills it."""
    return Lakehouse(spark, opened.configuration, opened.contracts)


@pytest.fixture(scope="session")
def store(lakehouse: Lakehouse, registry: FeatureRegistry) -> FeatureStore:
    """Return the feature tables of the tests."""
    return FeatureStore(lakehouse.namespace, registry)


@pytest.fixture
def project_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change into a copy of the project that a test may spoil, and return its folder."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "__pycache__", "libs", "dist", "build"))
    monkeypatch.chdir(folder)
    return folder
