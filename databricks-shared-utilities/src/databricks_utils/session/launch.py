"""Starting the Java process of a local session: with the right Java, and silently."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from databricks_utils.errors import MissingTool
from databricks_utils.session.installation import SparkInstallation
from databricks_utils.session.jars import cache_folder
from databricks_utils.session.java import find_java

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KEPT_LOGS = 10
"""Log files of earlier starts that are kept."""

SHOWN_LINES = 6
"""Lines of the log that an error repeats."""

_FRAME = re.compile(r"\s*(at |\.\.\. \d+ more)")


def prepare_environment(spark: SparkInstallation) -> None:
    """Set the variables that decide which Java, Spark and Python a local Spark uses.

    Raises:
        MissingTool: No suitable Java.
    """
    java = find_java(spark.series)
    if java.home:
        os.environ["JAVA_HOME"] = str(java.home)
    else:
        os.environ.pop("JAVA_HOME", None)
    # A SPARK_HOME of another version would start that Spark with these jars.
    os.environ["SPARK_HOME"] = str(spark.home)
    # The worker's Python comes from PATH otherwise, and may be another version without our packages.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    # Java finds no file whose name it cannot write in the locale's encoding, and says nothing. Python takes UTF-8 with
    # LC_ALL=C too.
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
    if "utf" not in locale.lower() and sys.getfilesystemencoding().lower() == "utf-8":
        os.environ["LC_ALL"] = "C.UTF-8"


def start_classic(settings: Mapping[str, str], application_name: str, spark: SparkInstallation) -> SparkSession:
    """Start Java and return a session in it.

    Whatever Java, Spark and Delta Lake print goes to a log file: none of it is meant for the reader of a run.

    Raises:
        MissingTool: No suitable Java, or Spark did not start in it.
    """
    prepare_environment(spark)
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]  # it has no annotations
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    conf = SparkConf(loadDefaults=False).setAppName(application_name).setAll(list(settings.items()))
    log = new_log() if SparkContext._gateway is None else None
    try:
        if log is not None:
            SparkContext(conf=conf, gateway=_gateway(conf, log))
        return SparkSession.builder.config(conf=conf).getOrCreate()
    except (PySparkException, Py4JError) as error:
        raise not_started(log, str(error)) from error


def java_process() -> int | None:
    """Return the id of the Java process that this one has started; None where Spark runs elsewhere."""
    try:
        from pyspark import SparkContext
    except ImportError:  # the client of Spark Connect alone has none
        return None
    process = getattr(SparkContext._gateway, "proc", None)
    return None if process is None else int(process.pid)


def new_log() -> Path:
    """Make a new log file for Spark's own output; the oldest ones are removed."""
    folder = cache_folder().parent / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    earlier = sorted(folder.glob("spark-*.log"), key=_written_at)
    for old in earlier[: max(0, len(earlier) - KEPT_LOGS + 1)]:
        old.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"spark-{os.getpid()}-", suffix=".log", dir=folder)
    os.close(handle)
    return Path(name)


def _written_at(log: Path) -> float:
    """Return when a log was last written; 0 where another process that begins now has just removed it."""
    try:
        return log.stat().st_mtime
    except FileNotFoundError:
        return 0


def not_started(log: Path | None, reason: str = "") -> MissingTool:
    """Return the error for a Spark that did not start, with its last words.

    Args:
        log: File with everything it printed; None where this process had started Java before.
        reason: What Python learned, which may be as little as an exit.
    """
    printed = log.read_text(encoding="utf-8", errors="replace") if log else ""
    learned = [line for line in reason.splitlines() if line.strip(": ") not in printed]
    lines = [line for line in [*printed.splitlines(), *learned] if line.strip() and not _FRAME.match(line)]
    last = "\n    ".join(lines[-SHOWN_LINES:])
    return MissingTool(
        f"Spark did not start:\n    {last}",
        where=str(log) if log else "the Java process of an earlier session",
        hint="Check memory and settings of the section spark, then run the command doctor",
    )


def _gateway(conf: Any, log: Path) -> Any:
    from pyspark.java_gateway import launch_gateway

    with log.open("ab") as output:
        return launch_gateway(  # type: ignore[no-untyped-call]  # pyspark has no annotations here
            conf, popen_kwargs={"stdout": output, "stderr": output}
        )
