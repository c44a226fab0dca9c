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
        "kafka": (
            "org.apache.spark:spark-sql-kafka-0-10_2.12:3.5.0",
            "org.apache.spark:spark-token-provider-kafka-0-10_2.12:3.5.0",
            "org.apache.kafka:kafka-clients:3.4.1",
            "org.apache.commons:commons-pool2:2.11.1",
        ),
    },
    "4.0": {
        "delta": ("io.delta:delta-spark_2.13:4.0.1", "io.delta:delta-storage:4.0.1"),
        "kafka": (
            "org.apache.spark:spark-sql-kafka-0-10_2.13:4.0.0",
            "org.apache.spark:spark-token-provider-kafka-0-10_2.13:4.0.0",
            "org.apache.kafka:kafka-clients:3.9.0",
            "org.apache.commons:commons-pool2:2.12.0",
        ),
    },
    "4.1": {
        "delta": (
            "io.delta:delta-spark_4.1_2.13:4.4.0",
            "io.delta:delta-storage:4.4.0",
            "io.delta:delta-kernel-api:4.4.0",
            "io.delta:delta-kernel-defaults:4.4.0",
            "io.delta:delta-kernel-unitycatalog:4.4.0",
            "io.unitycatalog:unitycatalog-client:0.6.0",
            "io.unitycatalog:unitycatalog-hadoop:0.6.0",
        ),
        # The newest token provider that was published for this series; the connector asks for one that was not.
        "kafka": (
            "org.apache.spark:spark-sql-kafka-0-10_2.13:4.1.3",
            "org.apache.spark:spark-token-provider-kafka-0-10_2.13:4.1.0-preview1",
            "org.apache.kafka:kafka-clients:3.9.1",
            "org.apache.commons:commons-pool2:2.12.1",
        ),
        # A whole broker for tests and demonstrations; it runs without Spark's own jars.
        "broker": (
            "org.apache.kafka:kafka_2.13:4.1.2",
            "org.apache.kafka:kafka-clients:4.1.2",
            "com.github.luben:zstd-jni:1.5.6-10",
            "at.yawk.lz4:lz4-java:1.10.1",
            "org.xerial.snappy:snappy-java:1.1.10.7",
            "org.slf4j:slf4j-api:1.7.36",
            "org.scala-lang:scala-library:2.13.16",
            "org.apache.kafka:kafka-server-common:4.1.2",
            "com.yammer.metrics:metrics-core:2.2.0",
            "org.apache.logging.log4j:log4j-api:2.25.3",
            "org.apache.logging.log4j:log4j-core:2.25.3",
            "commons-validator:commons-validator:1.10.1",
            "net.sf.jopt-simple:jopt-simple:5.0.4",
            "com.fasterxml.jackson.core:jackson-databind:2.19.4",
            "com.fasterxml.jackson.core:jackson-annotations:2.19.4",
            "com.fasterxml.jackson.core:jackson-core:2.19.4",
            "org.pcollections:pcollections:4.0.2",
            "org.apache.kafka:kafka-group-coordinator-api:4.1.2",
            "org.apache.kafka:kafka-group-coordinator:4.1.2",
            "org.apache.kafka:kafka-metadata:4.1.2",
            "org.apache.kafka:kafka-raft:4.1.2",
            "com.fasterxml.jackson.datatype:jackson-datatype-jdk8:2.19.4",
            "org.apache.kafka:kafka-storage:4.1.2",
            "org.apache.kafka:kafka-storage-api:4.1.2",
            "com.github.ben-manes.caffeine:caffeine:3.2.0",
            "org.jspecify:jspecify:1.0.0",
            "org.apache.kafka:kafka-coordinator-common:4.1.2",
            "org.hdrhistogram:HdrHistogram:2.2.2",
            "com.google.re2j:re2j:1.8",
            "com.dynatrace.hash4j:hash4j:0.22.0",
            "org.apache.kafka:kafka-transaction-coordinator:4.1.2",
            "org.apache.kafka:kafka-tools-api:4.1.2",
            "org.apache.kafka:kafka-server:4.1.2",
            "org.apache.kafka:kafka-share-coordinator:4.1.2",
            "com.fasterxml.jackson.dataformat:jackson-dataformat-csv:2.19.4",
            "org.bitbucket.b_c:jose4j:0.9.6",
            "com.typesafe.scala-logging:scala-logging_2.13:3.9.5",
            "org.slf4j:slf4j-simple:1.7.36",
        ),
    },
}
"""Every jar whose classes Delta Lake, the Kafka connector or a broker refers to and pyspark does not ship."""


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
