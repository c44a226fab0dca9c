"""A Spark that stays up between commands: started, reported and ended by `spark up` and `spark down`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from databricks_utils.cli.project import Opened, Project
from databricks_utils.errors import InvalidInput
from databricks_utils.session import end_server, keep_server
from databricks_utils.session.factory import open_remote
from databricks_utils.session.keeping import FOLDER, KeptServer

#: What a first run would otherwise wait for: Spark compiles its own code on first use.
_WARMING = (
    "SELECT id % 3 AS part, count(*) AS n FROM range(100) GROUP BY part ORDER BY part",
    "SELECT * FROM range(10) AS a JOIN range(10) AS b USING (id) WHERE a.id > 3",
)


def spark_up(project: Opened) -> int:
    """Keep a Spark for the project's environment, and say what a new process waits for until it has a first answer."""
    spark, warehouse = project.configuration.spark, project.configuration.storage.warehouse
    if spark.mode != "local" or warehouse is None:
        raise InvalidInput(
            f"The environment {project.configuration.environment} does not run Spark on this machine",
            where="config: spark.mode, storage.warehouse",
            hint="Name one that does: --env local",
        )
    server, is_new = keep_server(spark, Path(warehouse), project.root / FOLDER, jar_groups=project.jar_groups)
    click.echo(
        f"Spark {server.spark} {'is up' if is_new else 'was up already'}: {server.address}, process {server.pid}"
    )
    if is_new:
        _first_answer(server)
    click.echo(f"A session and its first answer take {_first_answer(server):.2f} s, imports aside.")
    click.echo(f"`{project.project.command} run` and `SPARK_MODE=kept pytest` use it until `spark down`.")
    return 0


def spark_down(project: Project) -> int:
    """End the project's Spark."""
    ended = end_server(project.root() / FOLDER)
    click.echo("Spark is down." if ended else "No Spark was up.")
    return 0


def _first_answer(server: KeptServer) -> float:
    import pyspark.sql.connect.session

    started = time.perf_counter()
    session: pyspark.sql.connect.session.SparkSession = open_remote(server.url, "warming")  # type: ignore[assignment]
    for statement in _WARMING:
        session.sql(statement).collect()
    session.stop()
    return time.perf_counter() - started
