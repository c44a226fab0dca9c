"""The project under test: its definition, tables made from the sample, and a copy that a test may spoil."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from databricks_utils.cli.project import Opened
from databricks_utils.medallion import Lakehouse, run_pipeline
from databricks_utils.observability import RunResult
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.__main__ import PROJECT

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "data" / "landing"

#: What the second delivery brings: sales, corrected history, and descriptions of products that were sold before.
LATE = ("transactions/transactions_2017-12.csv", "households/households_late_2017-05-15.csv")
PRODUCTS_AT_FIRST = 1400

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


@pytest.fixture(scope="session")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a landing folder with the first part of the sample; the second delivery completes it."""
    folder = tmp_path_factory.mktemp("delivered") / "landing"
    shutil.copytree(SAMPLE, folder)
    for name in LATE:
        (folder / name).unlink()
    lines = (SAMPLE / "products" / "products.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "products" / "products.jsonl").write_text("".join(lines[:PRODUCTS_AT_FIRST]), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def sample(new_lakehouse: NewLakehouse, landing: Path) -> Lakehouse:
    """Return the lakehouse that the sample is delivered to; it is filled by `deliveries`."""
    return new_lakehouse(landing)


@pytest.fixture(scope="session")
def deliveries(sample: Lakehouse, landing: Path) -> tuple[RunResult, RunResult]:
    """Deliver the sample in two parts, run the pipeline after each, and return both runs."""
    first = run_pipeline(sample, PROJECT.pipeline)
    for name in LATE:
        shutil.copy(SAMPLE / name, landing / name)
    lines = (SAMPLE / "products" / "products.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (landing / "products" / "more.jsonl").write_text("".join(lines[PRODUCTS_AT_FIRST:]), encoding="utf-8")
    return first, run_pipeline(sample, PROJECT.pipeline)


@pytest.fixture
def project_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change into a copy of the project that a test may spoil, and return its folder."""
    folder = tmp_path / "project"
    generated = shutil.ignore_patterns(".*", "__pycache__", "libs", "dist", "build")
    shutil.copytree(ROOT, folder, ignore=generated)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def one_session(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> SparkSession:
    """Let commands and notebooks use the suite's session, classic or Connect, instead of starting one."""
    monkeypatch.setattr("databricks_utils.cli.project.create_session", lambda *_, **__: spark)
    return spark
