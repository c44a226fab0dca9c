"""Writing the lock of the jars anew, when Spark or Delta Lake moves to another version."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from databricks_utils.session.installation import installed_spark
from databricks_utils.session.ivy import download
from databricks_utils.session.jars import sha256_of
from databricks_utils.session.java import find_java

Coordinates = Mapping[str, Mapping[str, Sequence[str]]]
"""Spark series, group of jars, Maven coordinates."""

JARS: Coordinates = {
    "3.5": {
        # Older 3.3 versions cannot overwrite a table on pyspark 3.5.6 and later.
        "delta": ("io.delta:delta-spark_2.12:3.3.3", "io.delta:delta-storage:3.3.3"),
        "connect": ("org.apache.spark:spark-connect_2.12:3.5.7",),
    },
    "4.0": {"delta": ("io.delta:delta-spark_2.13:4.0.1", "io.delta:delta-storage:4.0.1")},
    "4.1": {
        "delta": (
            "io.delta:delta-spark_4.1_2.13:4.4.0",
            "io.delta:delta-storage:4.4.0",
            "io.delta:delta-kernel-api:4.4.0",
            "io.delta:delta-kernel-defaults:4.4.0",
            "io.delta:delta-kernel-unitycatalog:4.4.0",
            "io.unitycatalog:unitycatalog-client:0.6.0",
            "io.unitycatalog:unitycatalog-hadoop:0.6.0",
        )
    },
}
"""Every jar whose classes Delta Lake refers to and the pyspark of the series does not ship."""


def write_lock(path: Path, coordinates: Coordinates = JARS) -> None:
    """Download every coordinate and write its sha256 to a lock file.

    Run it after editing `JARS`, review the difference, and run the integration tests on each series.

    Args:
        path: The lock file to write, normally `jars.lock.json` beside this module.
        coordinates: What to lock.

    Raises:
        MissingTool: Java or a jar is missing.
    """
    lock = {
        series: {group: _lock_group(names) for group, names in groups.items()} for series, groups in coordinates.items()
    }
    path.write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")


def _lock_group(coordinates: Sequence[str]) -> list[dict[str, str]]:
    spark = installed_spark()
    java = find_java(spark.series)
    with tempfile.TemporaryDirectory() as folder:
        jars = download(coordinates, Path(folder), java=java.executable, spark_jars=spark.jars)
        return [{"coordinate": name, "sha256": sha256_of(jar)} for name, jar in zip(coordinates, jars, strict=True)]
