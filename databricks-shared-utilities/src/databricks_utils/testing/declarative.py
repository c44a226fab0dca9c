"""Running a project's declarative pipeline on this machine, with the `spark-pipelines` of Spark 4.1 and later."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from databricks_utils.errors import RunFailed
from databricks_utils.session.connect import connect_server
from databricks_utils.session.factory import open_remote
from databricks_utils.session.installation import installed_spark
from databricks_utils.session.settings import LocalSpark, java_options

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: The last lines of the engine's output that an error repeats.
SHOWN_LINES = 25


@contextmanager
def run_declarative(
    source: Path,
    folder: Path,
    *,
    configuration: Mapping[str, str],
    schemas: Sequence[str],
    timeout_seconds: float = 300,
) -> Iterator[SparkSession]:
    """Run one pipeline file and give a session that sees its tables.

    The engine runs in a Connect server started for it: its catalog must know the schemas before the pipeline is
    declared, and a pipeline may not create them itself.

    Args:
        source: The file that declares the tables.
        folder: An empty folder for specification, warehouse and checkpoints.
        configuration: Settings the file reads; their names begin with `spark.`, others are ignored by Spark.
        schemas: Schemas to create.
        timeout_seconds: Bound on the whole run.

    Raises:
        RunFailed: The engine ended with an error; the message repeats its last lines.
    """
    warehouse = folder / "warehouse"
    warehouse.mkdir(parents=True)
    spark = LocalSpark(settings={"spark.sql.sources.default": "delta"})
    with connect_server(spark, warehouse, short_lived=True) as server:
        session = open_remote(server.url, "declarative pipeline")
        try:
            for schema in schemas:
                session.sql(f"CREATE SCHEMA IF NOT EXISTS `{schema}`")
            _run(_specification(source, folder, configuration), server.url, timeout_seconds)
            yield session
        finally:
            # Before the server goes: a session left open asks for it again and again when the process ends.
            session.stop()


def _specification(source: Path, folder: Path, configuration: Mapping[str, str]) -> Path:
    # Patterns count from the specification's folder and may not leave it.
    shutil.copy(source, folder / source.name)
    specification = {
        "name": source.stem,
        "storage": (folder / "storage").as_uri(),
        "database": "default",
        "libraries": [{"glob": {"include": source.name}}],
        "configuration": dict(configuration),
    }
    path = folder / "spark-pipeline.yml"
    path.write_text(yaml.safe_dump(specification), encoding="utf-8")
    return path


def _run(specification: Path, url: str, timeout_seconds: float) -> None:
    program = installed_spark().home / "bin" / "spark-pipelines"
    # The script is a Java program that does no more than start the Python client.
    own = os.environ.get("SPARK_SUBMIT_OPTS", "")
    launcher = {"SPARK_SUBMIT_OPTS": java_options(own, short_lived=True)}
    done = subprocess.run(
        [str(program), "run", "--spec", str(specification), "--remote", url],
        env={**os.environ, **launcher, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd=specification.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-SHOWN_LINES:])
        raise RunFailed(f"The declarative pipeline failed:\n{last}", where=str(specification))
