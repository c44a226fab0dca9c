"""A pytest plugin: one Spark with Delta Lake for the whole suite, classic or over Connect, or Sail in its place.

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

from databricks_utils.errors import MissingTool
from databricks_utils.session.connect import connect_server
from databricks_utils.session.factory import create_session, open_remote
from databricks_utils.session.jars import DELTA
from databricks_utils.session.keeping import FOLDER, KeptServer, kept_server
from databricks_utils.session.settings import SECOND_COMPILER, UNTUNED, LocalSpark
from databricks_utils.testing.frames import TableFactory
from databricks_utils.testing.sail import sail_session, sail_version

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MODES = ("classic", "connect", "kept", "sail")
SPARK_ONLY = "spark_only"
LAYERS = ("bronze", "silver", "gold", "operations")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options `--spark-…` and the setting `spark_jar_groups` to pytest."""
    parser.addoption(
        "--spark-mode",
        choices=MODES,
        default=os.environ.get("SPARK_MODE", "classic"),
        help="run Spark in this process's own Java (classic), behind a Connect server (connect) or behind the one that "
        "`spark up` keeps (kept), or Sail (sail)",
    )
    parser.addoption(
        "--spark-settings",
        choices=("tuned", "default"),
        default="tuned",
        help="default: Spark's own settings instead of those chosen for speed, to measure what they gain",
    )
    parser.addoption(
        "--spark-lifetime",
        choices=("short", "long"),
        default="short",
        help="long: for a suite of a quarter of an hour, in which Java gets back what compiling well costs",
    )
    parser.addoption(
        "--spark-set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting of Spark that wins over all others; may be repeated",
    )
    parser.addini("spark_jar_groups", "groups of locked jars that Spark is given", type="args", default=list(DELTA))


def pytest_configure(config: pytest.Config) -> None:
    """Give the process the time zone of the sessions, since Python shows collected timestamps in its own."""
    config.addinivalue_line("markers", f"{SPARK_ONLY}(reason): Sail cannot do this or does it differently")
    os.environ["TZ"] = "UTC"
    if hasattr(time, "tzset"):
        time.tzset()
    # pyspark's own assertion asks for it, in a warning, on first use.
    os.environ.setdefault("PYARROW_IGNORE_TIMEZONE", "1")


def pytest_report_header(config: pytest.Config) -> str:
    """Say what computes the frames.

    Raises:
        UsageError: Sail was asked for and is not installed.
    """
    if not _on_sail(config):
        return f"spark mode: {config.getoption('--spark-mode')}"
    try:
        return f"spark mode: sail {sail_version()}, which is quick and not Spark: before a merge, test on Spark"
    except MissingTool as error:
        raise pytest.UsageError(f"{error.message}. {error.hint}") from error


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Expect on Sail that a test left to Spark fails, so that a mark nobody needs any longer is noticed.

    Raises:
        UsageError: A mark gives no reason.
    """
    for item in items:
        mark = item.get_closest_marker(SPARK_ONLY)
        if mark is None:
            continue
        if len(mark.args) != 1 or not mark.args[0]:
            raise pytest.UsageError(f"{item.nodeid}: say why it is left to Spark: {SPARK_ONLY}('reason')")
        if _on_sail(config):
            item.add_marker(pytest.mark.xfail(reason=mark.args[0], strict=True))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name what Sail did not check, with the reasons."""
    left = [report for report in terminalreporter.getreports("xfailed") if SPARK_ONLY in report.keywords]
    if _on_sail(config) and left:
        terminalreporter.section("left to Spark")
        for report in left:
            terminalreporter.write_line(f"{report.nodeid}: {report.wasxfail}")


def _kept(root: Path) -> KeptServer:
    server = kept_server(root / FOLDER)
    if server is None:
        raise pytest.UsageError(f"No Spark is kept in {root / FOLDER}; start one: `make spark-up`")
    return server


def _on_sail(config: pytest.Config) -> bool:
    return bool(config.getoption("--spark-mode") == "sail")


def _chosen_settings(config: pytest.Config) -> Mapping[str, str]:
    chosen = dict(UNTUNED) if config.getoption("--spark-settings") == "default" else {}
    if config.getoption("--spark-lifetime") == "long":
        chosen["spark.driver.extraJavaOptions"] = SECOND_COMPILER
    for item in config.getoption("--spark-set"):
        key, equals, value = str(item).partition("=")
        if not equals:
            raise pytest.UsageError(f"--spark-set {item}: write KEY=VALUE")
        chosen[key] = value
    return chosen


@pytest.fixture(scope="session")
def spark_mode(request: pytest.FixtureRequest) -> str:
    """Return `classic`, `connect`, `kept` or `sail`."""
    mode = str(request.config.getoption("--spark-mode"))
    if mode not in MODES:
        raise pytest.UsageError(f"SPARK_MODE is {mode!r}; write {', '.join(MODES)}")
    return mode


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the suite's tables."""
    return tmp_path_factory.mktemp("warehouse")


@pytest.fixture(scope="session")
def spark(spark_mode: str, warehouse: Path, pytestconfig: pytest.Config) -> Iterator[SparkSession]:
    """Give one session to the whole suite, with Delta Lake unless it is Sail's."""
    if spark_mode == "sail":
        with sail_session() as session:
            yield session
        return
    if spark_mode == "kept":
        session = open_remote(_kept(pytestconfig.rootpath).url, "tests")
        yield session
        session.stop()
        return
    # A long suite has the memory that a project has; what hundreds of tests leave behind would fill the smaller one.
    memory = LocalSpark().memory if pytestconfig.getoption("--spark-lifetime") == "long" else "1g"
    settings = LocalSpark(memory=memory, settings=_chosen_settings(pytestconfig))
    groups = tuple(pytestconfig.getini("spark_jar_groups"))
    if spark_mode == "classic":
        session = create_session(settings, "tests", warehouse, short_lived=True, jar_groups=groups)
        yield session
        session.stop()
        return
    with connect_server(settings, warehouse, short_lived=True, jar_groups=groups) as server:
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
