"""A project as a declarative pipeline: what `orchestration/lakeflow.py` calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from databricks_utils.cli.project import Project, default_environment
from databricks_utils.errors import LakehouseError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: What `resources/pipelines.yml` sets begins with this (open-source Spark drops settings of other names); the rest is
#: a key of the configuration.
PREFIX = "spark.databricks_utils."
KEYS = (
    "catalog",
    "schemas.bronze",
    "schemas.silver",
    "schemas.gold",
    "schemas.operations",
    "storage.landing",
)


def declare_project(project: Project[Any]) -> None:
    """Declare a project's tables to the declarative pipeline that runs this file.

    Raises:
        LakehouseError: There is no session, because the file was started by hand.
    """
    from pyspark.sql import SparkSession

    spark = SparkSession.getActiveSession()
    if spark is None:
        raise LakehouseError(
            "This file is run by a declarative pipeline, which gives it a session",
            hint="Use `bundle run` in a workspace or `spark-pipelines run` on a laptop",
        )
    overrides = {key: text for key in KEYS if (text := _given(spark, key))}
    opened = project.open(_given(spark, "environment") or default_environment(), _given(spark, "project"), **overrides)
    project.kind.declare(spark, opened.configuration, opened.contracts)


def _given(spark: SparkSession, key: str) -> str | None:
    return spark.conf.get(f"{PREFIX}{key}", None)
