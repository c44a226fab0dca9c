"""The Spark settings of a local session, each with the reason it is there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Protocol

from databricks_utils.errors import MissingTool
from databricks_utils.session.class_archive import archive_file, archive_options
from databricks_utils.session.installation import installed_spark


class SparkSettings(Protocol):
    """What a session reads of the configuration's `spark` section."""

    @property
    def mode(self) -> str:
        """`local`, `connect` or `databricks`."""

    @property
    def remote(self) -> str | None:
        """Address of the Connect server, `sc://host:port`, or `local` for one that is started."""

    @property
    def cores(self) -> int:
        """Threads a local Spark may use."""

    @property
    def memory(self) -> str:
        """Heap of a local Spark, as in `2g`."""

    @property
    def shuffle_partitions(self) -> int:
        """Partitions after a shuffle."""

    @property
    def settings(self) -> Mapping[str, str]:
        """Further Spark settings; they win over the ones chosen here."""


@dataclass(frozen=True)
class LocalSpark:
    """Settings for a session without a configuration file, as in tests and notebooks."""

    mode: str = "local"
    remote: str | None = None
    cores: int = 2
    memory: str = "2g"
    shuffle_partitions: int = 2
    settings: Mapping[str, str] = field(default_factory=dict)


def _file_manager(kind: str) -> str:
    """Return the name of a class of Spark that writes the files of checkpoints; with 4.1 all of them have moved."""
    try:
        series = installed_spark().series
    except MissingTool:  # a client alone, which starts no local session
        series = ""
    package = "streaming" if series in ("3.5", "4.0") else "streaming.checkpointing"
    return f"org.apache.spark.sql.execution.{package}.{kind}BasedCheckpointFileManager"


SESSION: Mapping[str, str] = {
    # Times mean the same on every machine, and the same as on Databricks.
    "spark.sql.session.timeZone": "UTC",
    # A cast that fails and a number that overflows are errors on Spark 3.5 as they are from Spark 4 on.
    "spark.sql.ansi.enabled": "true",
}
"""Settings of every session, whatever the mode."""

LOCAL: Mapping[str, str] = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # Tables live in the warehouse folder; a Derby metastore would add seconds, a lock and stray files.
    "spark.sql.catalogImplementation": "in-memory",
    # Saves the start of a web server nobody looks at, and its port.
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # Nothing listens beyond this machine, and a changing network or VPN does not break a run.
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    # Delta keeps a table's state in 50 partitions by default: 50 tasks for a handful of log entries.
    "spark.databricks.delta.snapshotPartitions": "1",
    # VACUUM and listings of many folders start up to 10,000 tasks by default.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
    # Smaller files than with snappy, at about the same speed.
    "spark.sql.parquet.compression.codec": "zstd",
    # A run compiles several hundred pieces of code, and 100 are kept by default: Spark would write, compile and warm up
    # the same ones again for each table.
    "spark.sql.codegen.cache.maxEntries": "2000",
    # Every statement describes its plan for the web page that is switched off; a short description costs least.
    "spark.sql.ui.explainMode": "simple",
    # By the other one of its two interfaces Hadoop starts a process, readlink, four times for each file it renames.
    # With either a file is written aside and renamed, so that it is there as a whole or not at all.
    "spark.sql.streaming.checkpointFileManagerClass": _file_manager("FileSystem"),
    "spark.delta.logStore.file.impl": "io.delta.storage.LocalLogStore",
    # Hadoop keeps a checksum of every local file already, and checks it.
    "spark.sql.streaming.checkpoint.fileChecksum.enabled": "false",
    # Toward pandas and from it without a Python loop over rows.
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
"""Settings of a local session that do not depend on the configuration."""

SHORT_LIVED: Mapping[str, str] = {
    # Over a few thousand rows Spark takes longer to write and compile code for a query than to interpret it. Results
    # are the same: it is what Spark does itself where code cannot be compiled.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    # Planning a query again after each of its shuffles, with a job for each of them, costs more than a better plan
    # for a few thousand rows gains.
    "spark.sql.adaptive.enabled": "false",
}
"""Settings of a local session that ends within a minute or two."""

UNTUNED: Mapping[str, str] = {
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.adaptive.enabled": "true",
    "spark.ui.enabled": "true",
    "spark.databricks.delta.snapshotPartitions": "50",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "10000",
    "spark.sql.parquet.compression.codec": "snappy",
    "spark.sql.codegen.cache.maxEntries": "100",
    "spark.sql.ui.explainMode": "formatted",
    "spark.sql.streaming.checkpointFileManagerClass": _file_manager("FileContext"),
    "spark.delta.logStore.file.impl": "io.delta.storage.HDFSLogStore",
    "spark.sql.streaming.checkpoint.fileChecksum.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "false",
    "spark.sql.shuffle.partitions": "200",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=4 -XX:Tier4InvocationThreshold=5000 "
    "-XX:Tier4MinInvocationThreshold=600 -XX:Tier4CompileThreshold=15000 -XX:Tier4BackEdgeThreshold=40000 -XX:+UseG1GC",
}
"""What Spark, Delta Lake and Java choose where this library chooses for speed: to measure what that gains."""

_CODE_CACHE = "-XX:ReservedCodeCacheSize=256m"
_FIRST_COMPILER = "-XX:TieredStopAtLevel=1"
SECOND_COMPILER = (
    "-XX:TieredStopAtLevel=4 -XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000 "
    "-XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
)
"""Options with which Java compiles a second time what is used ten times as often as it asks for by itself.

Most of what a run of minutes would compile twice, it uses too seldom to get that time back.
"""
_COLLECTOR = "-XX:+UseParallelGC"
_A_COLLECTOR = re.compile(r"-XX:\+Use\w+GC\b")
#: Variables whose options Java and `spark-submit` add to ours.
_ADDED = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS")


def local_settings(
    spark: SparkSettings, warehouse: Path, jars: Sequence[Path], *, short_lived: bool = False
) -> dict[str, str]:
    """Return every setting a local Spark starts with.

    Args:
        spark: The configuration's `spark` section; its `settings` win.
        warehouse: Folder of the tables.
        jars: Delta Lake's jars.
        short_lived: Whether the process ends within a minute or two, as tests do.
    """
    chosen = {
        **SESSION,
        **LOCAL,
        **(SHORT_LIVED if short_lived else {}),
        "spark.master": f"local[{spark.cores}]",
        "spark.driver.memory": spark.memory,
        "spark.sql.shuffle.partitions": str(spark.shuffle_partitions),
        # A path and no URI: Spark would take the %20 of a blank literally.
        "spark.sql.warehouse.dir": warehouse.resolve().as_posix(),
        # On the class path from the start: no copy of each jar into each session's own folder.
        "spark.driver.extraClassPath": os.pathsep.join(str(jar) for jar in jars),
        **spark.settings,
    }
    own = spark.settings.get("spark.driver.extraJavaOptions", "")
    chosen["spark.driver.extraJavaOptions"] = java_options(own, short_lived=short_lived)
    return chosen


def java_options(own: str = "", *, short_lived: bool) -> str:
    """Return the options of the Java process.

    Args:
        own: Further options, which win over the ones chosen here.
        short_lived: Compile with the first compiler only: a third less CPU in a short process, slower in a
            long one, which compiles what it uses most with the second one too.

    The cache of compiled code has 48 MB by default in a short process; Spark fills it in a minute, and compiling
    stops. Garbage is collected while everything waits: the collector that works beside the program takes processor
    time from it, to spare pauses that nobody notices in a batch or a test.
    """
    log_settings = resources.files(__package__).joinpath("log4j2.properties")
    options = [f"-Dlog4j.configurationFile={Path(str(log_settings)).as_uri()}", "-Duser.timezone=UTC"]
    options += [_FIRST_COMPILER if short_lived else SECOND_COMPILER, _CODE_CACHE]
    # Java refuses to start with two collectors, wherever the other one is asked for.
    if not any(_A_COLLECTOR.search(text) for text in (own, *map(_variable, _ADDED))):
        options.append(_COLLECTOR)
    return " ".join([*options, *archive_options(archive_file()), own]).strip()


def _variable(name: str) -> str:
    return os.environ.get(name, "")
