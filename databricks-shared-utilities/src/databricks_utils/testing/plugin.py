"""A pytest plugin: one Spark with Delta Lake for the whole suite, classic or over Connect.

Switch it on with `pytest -p databricks_utils.testing.plugin`; choose with `--spark-mode` or SPARK_MODE.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from databricks_utils.session.connect import connect_server
from databricks_utils.session.factory import create_session, open_remote
from databricks_utils.session.settings import LocalSpark
from databricks_utils.testing.frames import TableFactory

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MODES = ("classic", "connect")
LAYERS = ("bronze", "silver", "gold", "operations")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--spark-mode` to pytest."""
    parser.addoption(
        "--spark-mode",
        choices=MODES,
        default=os.environ.get("SPARK_MODE", "classic"),
        help="run Spark in this process's own Java (classic) or behind a Connect server (connect)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Give the process the time zone of the sessions, since Python shows collected timestamps in its own."""
    os.environ["TZ"] = "UTC"
    if hasattr(time, "tzset"):
        time.tzset()
    # pyspark's own assertion asks for it, in a warning, on first use.
    os.environ.setdefault("PYARROW_IGNORE_TIMEZONE", "1")


@pytest.fixture(scope="session")
def spark_mode(request: pytest.FixtureRequest) -> str:
    """Return `classic` or `connect`."""
    mode = str(request.config.getoption("--spark-mode"))
    if mode not in MODES:
        raise pytest.UsageError(f"SPARK_MODE is {mode!r}; write {' or '.join(MODES)}")
    return mode


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the suite's tables."""
    return tmp_path_factory.mktemp("warehouse")


@pytest.fixture(scope="session")
def spark(spark_mode: str, warehouse: Path) -> Iterator[SparkSession]:
    """Give one session with Delta Lake to the whole suite."""
    settings = LocalSpark(memory="1g")
    if spark_mode == "classic":
        session = create_session(settings, "tests", warehouse, short_lived=True)
        yield session
        session.stop()
        return
    with connect_server(settings, warehouse, short_lived=True) as server:
        session = open_remote(server.url, "tests")
        yield session
        session.stop()


@pytest.fixture
def lakehouse_folder(tmp_path: Path) -> Path:
    """Return an empty folder for the files and tables of one test."""
    folder = tmp_path / "lakehouse"
    folder.mkdir()
    return folder


@pytest.fixture
def schemas(spark: SparkSession) -> Iterator[Mapping[str, str]]:
    """Give one test its own schema for each layer (layer to name), and drop them with their tables."""
    suffix = uuid.uuid4().hex[:8]
    names = {layer: f"{layer}_{suffix}" for layer in LAYERS}
    for name in names.values():
        spark.sql(f"CREATE SCHEMA {name}")
    yield names
    for name in names.values():
        spark.sql(f"DROP SCHEMA IF EXISTS {name} CASCADE")


@pytest.fixture
def table_factory(spark: SparkSession) -> Iterator[TableFactory]:
    """Give a factory of small Delta tables, which drops what it made."""
    factory = TableFactory(spark)
    yield factory
    factory.drop_all()
