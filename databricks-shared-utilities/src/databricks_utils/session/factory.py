"""One function that gives a Spark session in every place the code runs."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from databricks_utils.errors import InvalidInput, LakehouseError, MissingTool
from databricks_utils.runtime import on_databricks
from databricks_utils.session.connect import require_answer, start_connect_server
from databricks_utils.session.installation import installed_spark
from databricks_utils.session.jars import DELTA, resolve_groups
from databricks_utils.session.keeping import fitting_server
from databricks_utils.session.launch import start_classic
from databricks_utils.session.settings import SESSION, SparkSettings, local_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: With one of these set, pyspark opens a Connect session where a local one is asked for.
REMOTE_VARIABLES = ("SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED")

_logger = logging.getLogger(__name__)


def create_session(
    spark: SparkSettings,
    application_name: str = "databricks-utils",
    warehouse: Path | None = None,
    *,
    short_lived: bool = False,
    jar_groups: Sequence[str] = DELTA,
    kept: Path | None = None,
) -> SparkSession:
    """Return the Spark session of an environment, starting what it needs.

    Args:
        spark: The configuration's `spark` section. Mode `local` starts a Spark with Delta Lake in a Java
            process that ends with this one; `connect` opens `remote`, or starts a server when `remote` is
            `local`; `databricks` takes the session of the notebook or job.
        application_name: Shown in Spark's log and history.
        warehouse: Folder of the tables of a local session; by default one that is removed at the end. A
            process has one local Spark: a second call returns it with the new settings, in the first folder.
        short_lived: Whether the process ends within a minute or two, as tests do: starts faster, runs slower.
        jar_groups: Groups of the jar lock that a Spark started here is given: `delta`, and `kafka` for streams.
        kept: Folder of a server that `keep_server` may have started. Where it is up and was started with these
            settings, mode `local` opens a session on it instead of starting Spark.

    Raises:
        InvalidInput: The section is contradictory, or names a mode that does not work here.
        MissingTool: Java, a jar or a package is missing.
        LakehouseError: The Connect server does not answer.
    """
    if spark.mode == "local":
        server = fitting_server(spark, warehouse, kept, jar_groups=jar_groups) if kept and warehouse else None
        if server is not None:
            _logger.info("using the Spark kept at %s", server.address)
            return open_remote(server.url, application_name)
        return _local(spark, application_name, warehouse, short_lived, jar_groups)
    if spark.mode == "connect":
        return _connect(spark, application_name, warehouse, short_lived, jar_groups)
    if spark.mode == "databricks":
        return _databricks(spark, application_name)
    raise InvalidInput(
        f"{spark.mode!r} is not a way to run Spark",
        where="spark.mode",
        hint="Write local, connect or databricks",
    )


def _local(
    spark: SparkSettings, application_name: str, warehouse: Path | None, short_lived: bool, groups: Sequence[str]
) -> SparkSession:
    _refuse_remote_variable()
    installation = installed_spark()
    jars = resolve_groups(groups, installation)
    settings = local_settings(spark, _existing(warehouse), jars, short_lived=short_lived)
    return start_classic(settings, application_name, installation)


def _connect(
    spark: SparkSettings, application_name: str, warehouse: Path | None, short_lived: bool, groups: Sequence[str]
) -> SparkSession:
    if spark.remote is None:
        raise InvalidInput(
            "Mode connect needs an address",
            where="spark.remote",
            hint="Write sc://host:15002, or local to start a server on this machine",
        )
    if spark.remote != "local":
        return open_remote(spark.remote, application_name, spark.settings)
    server = start_connect_server(spark, _existing(warehouse), short_lived=short_lived, jar_groups=groups)
    atexit.register(server.stop)
    return open_remote(server.url, application_name)


def open_remote(url: str, application_name: str, settings: Mapping[str, str] | None = None) -> SparkSession:
    """Open a session on a Connect server and set its time zone and settings.

    Raises:
        MissingTool: The packages of the Connect client are not installed.
        InvalidInput: The address is not one of a Connect server.
        LakehouseError: The server does not answer, or refuses the session.
    """
    require_answer(url)
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        session = SparkSession.builder.appName(application_name).remote(url).getOrCreate()
        return _configured(session, {**SESSION, **(settings or {})})
    except ImportError as error:
        raise MissingTool(
            f"The client of Spark Connect is incomplete: {error}", hint="Install `pyspark[connect]`"
        ) from error
    except PySparkException as error:
        raise LakehouseError(
            f"The Connect server gives no session: {error}",
            where=url.partition(";")[0],
            hint="Check the address and its token in spark.remote, and the server's version of Spark",
        ) from error


def _databricks(spark: SparkSettings, application_name: str) -> SparkSession:
    if not on_databricks():
        raise InvalidInput(
            "Mode databricks works in a job or notebook on Databricks, and this is not one",
            where="spark.mode",
            hint="Run with the local environment here: `--env local`",
        )
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession() or SparkSession.builder.appName(application_name).getOrCreate()
    return _configured(session, {**SESSION, **spark.settings})


def _configured(session: SparkSession, settings: Mapping[str, str]) -> SparkSession:
    for key, value in settings.items():
        session.conf.set(key, value)
    return session


def _existing(warehouse: Path | None) -> Path:
    if warehouse is None:
        temporary = tempfile.mkdtemp(prefix="warehouse-")
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
        return Path(temporary)
    warehouse.mkdir(parents=True, exist_ok=True)
    return warehouse


def _refuse_remote_variable() -> None:
    # pyspark sets the second one itself once a process has used Connect.
    for name in REMOTE_VARIABLES:
        if os.environ.get(name):
            raise InvalidInput(
                f"{name} is set, so that pyspark would not start a local Spark",
                where="spark.mode: local",
                hint=f"Unset {name}, or write mode: connect and the server's address as remote",
            )
