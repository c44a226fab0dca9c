"""A standalone cluster of Spark on the loopback interface: a master and workers, each a Java process of its own."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from own_process import own_environment

from databricks_utils.session.installation import installed_spark
from databricks_utils.session.java import find_java

START_SECONDS = 60
_ADDRESS = re.compile(r"spark://127\.0\.0\.1:\d+")


@dataclass(frozen=True)
class Cluster:
    """A master's address, and a folder for each worker in which it keeps what its executors print."""

    address: str
    workers: tuple[Path, ...]

    @property
    def used(self) -> int:
        """How many workers have had an executor."""
        return sum(1 for folder in self.workers if any(folder.glob("app-*/*/stderr")))


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Give a cluster whose workers have one core and 768 MB each; it ends with the block."""
    with ExitStack() as running:
        options = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
        log = folder / "master.log"
        running.enter_context(_java("master.Master", options, log))
        address = _read(log, _ADDRESS)
        homes = tuple(folder / f"worker-{number}" for number in range(workers))
        for home in homes:
            size = ["--cores", "1", "--memory", "768m", "--work-dir", str(home), address]
            running.enter_context(_java("worker.Worker", [*options, *size], home.with_suffix(".log")))
        for home in homes:
            _read(home.with_suffix(".log"), re.compile("Successfully registered with master"))
        yield Cluster(address, homes)


@contextmanager
def _java(role: str, options: Sequence[str], log: Path) -> Iterator[None]:
    spark = installed_spark()
    java = find_java(spark.series)
    classes = f"org.apache.spark.deploy.{role}"
    (core,) = spark.jars.glob("spark-core_*.jar")
    environment = {
        **own_environment(),
        "SPARK_HOME": str(spark.home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        # Spark's own start scripts set it; without it a worker starts no executor.
        "SPARK_SCALA_VERSION": core.name.split("-")[1].removeprefix("core_"),
    }
    if java.home:
        environment["JAVA_HOME"] = str(java.home)
    command = [str(java.executable), "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{spark.jars}/*", classes, *options]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _read(log: Path, sign: re.Pattern[str]) -> str:
    deadline = time.monotonic() + START_SECONDS
    while not (found := sign.search(log.read_text(encoding="utf-8", errors="replace"))):
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8", errors="replace")[-3000:]
        time.sleep(0.05)
    return found.group()
