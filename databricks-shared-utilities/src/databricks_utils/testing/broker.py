"""A real Kafka broker on the loopback interface, without Docker: one Java process, started in about two seconds.

Format of `meta.properties` and the settings: Apache Kafka documentation, "KRaft" and "Broker Configs".
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING

from databricks_utils.errors import MissingTool, RunFailed
from databricks_utils.session import resolve_jars
from databricks_utils.session.connect import free_port
from databricks_utils.session.installation import installed_spark
from databricks_utils.session.java import find_java

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient  # type: ignore[import-not-found,unused-ignore]

START_SECONDS = 60
STOP_SECONDS = 10
SHOWN_CHARACTERS = 2000
#: The series of Spark under which the lock keeps the broker's jars; the broker itself needs no Spark.
LOCKED_UNDER = "4.1"
#: Fast to start rather than fast at its peak.
JAVA_OPTIONS = (
    *("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"),
    *("-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"),
)
#: Becomes the process of the command, and ends it as soon as its input ends: a process that was killed cannot do it.
WITH_ITS_PARENT = 'exec 3<&0; (read -r _ <&3; kill -9 $$) >/dev/null 2>&1 & exec "$@" </dev/null 3<&-'
SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "background.threads": "2",
    "log.cleaner.dedupe.buffer.size": "2097152",
    "controlled.shutdown.enable": "false",
    # After a kill the old registration must expire before the broker is let in again: 9 s by default.
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "300",
}


class KafkaBroker:
    """A single-node broker in a process of its own.

    Used as a context manager it is stopped and its folder removed at the end. After `kill` or `stop` it can be
    started again with the same port and data. It ends with this process, however that ends, unless it is to stay.

    Args:
        folder: Folder for data and log; made when absent. A broker that was stopped finds its data there again.
        settings: Settings that are added to or replace those above; read at every start.
        port: Where it listens; a free port by default.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None, port: int | None = None) -> None:
        self.folder = folder
        self.port, self._controller = port or free_port(), free_port()
        self.settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> int | None:
        """Its process; None before the first start."""
        return None if self._process is None else self._process.pid

    @property
    def bootstrap_servers(self) -> str:
        """`127.0.0.1:port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """File with what the broker prints."""
        return self.folder / "broker.log"

    @property
    def controller(self) -> str:
        """The listener of the controller, for settings that list all listeners."""
        return f"CONTROLLER://127.0.0.1:{self._controller}"

    def start(self, held: Sequence[int] = ()) -> KafkaBroker:
        """Start the broker and wait until it answers.

        Args:
            held: File descriptors it inherits. With any, it outlives this process.

        Raises:
            MissingTool: Java, a jar or the client is missing.
            RunFailed: The broker does not come up.
        """
        spark = replace(installed_spark(), version=f"{LOCKED_UNDER}.0")
        jars = os.pathsep.join(str(jar) for jar in resolve_jars(group="broker", spark=spark))
        java = find_java(LOCKED_UNDER).executable
        properties = self._written()
        with self.log.open("ab") as output:
            command = [str(java), *JAVA_OPTIONS, "-cp", jars, "kafka.Kafka", str(properties)]
            self._process = self._launched(command, output, held)
        self._wait()
        return self

    def kill(self) -> None:
        """End the process as a power failure would."""
        if self._process is not None:
            self._process.kill()
            self._wait_for_the_end(None)

    def stop(self) -> None:
        """End the process in order."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._wait_for_the_end(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def topics(self) -> frozenset[str]:
        """Return the names of the topics there are."""
        return frozenset(self.admin().list_topics(timeout=START_SECONDS).topics)

    def create_topic(self, name: str, partitions: int = 2) -> None:
        """Create a topic; none is created by writing to it."""
        from confluent_kafka.cimpl import NewTopic

        # The client must outlive its answer, so it has a name here.
        admin = self.admin()
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result(START_SECONDS)

    def delete_topic(self, name: str) -> None:
        """Delete a topic with all that it holds; one of the same name that is created then is another topic."""
        admin = self.admin()
        admin.delete_topics([name])[name].result(START_SECONDS)

    def add_partitions(self, name: str, total: int) -> None:
        """Give a topic more partitions, up to `total`; what it holds stays where it is."""
        from confluent_kafka.cimpl import NewPartitions

        admin = self.admin()
        admin.create_partitions([NewPartitions(name, total)])[name].result(START_SECONDS)

    def admin(self) -> AdminClient:
        """Return a client that administers the broker.

        Raises:
            MissingTool: The client is not installed.
        """
        try:
            from confluent_kafka.admin import AdminClient
        except ImportError:
            hint = "Install the extra: databricks-shared-utilities[kafka]"
            raise MissingTool("The client of Kafka is not installed", hint=hint) from None
        return AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})

    def __enter__(self) -> KafkaBroker:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _launched(self, command: list[str], output: IO[bytes], held: Sequence[int]) -> subprocess.Popen[bytes]:
        # In a session of its own, so that an interrupt at the terminal ends it in order and not by chance.
        return subprocess.Popen(
            command if held else ["sh", "-c", WITH_ITS_PARENT, "sh", *command],
            stdin=subprocess.DEVNULL if held else subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=tuple(held),
        )

    def _wait_for_the_end(self, seconds: float | None) -> None:
        assert self._process is not None
        self._process.wait(seconds)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _written(self) -> Path:
        """Write settings and identity, which saves the start of a second Java that would format the folder."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        settings = {
            **SETTINGS,
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller}",
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},{self.controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "log.dirs": str(data),
            **self.settings,
        }
        path = self.folder / "server.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
        identity = data / "meta.properties"
        if not identity.exists():
            text = f"version=1\ncluster.id={_identifier()}\nnode.id=1\ndirectory.id={_identifier()}\n"
            identity.write_text(text, encoding="utf-8")
        return path

    def _wait(self) -> None:
        assert self._process is not None
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            try:
                self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                if self._answers():
                    return
            else:
                break
        last = self.log.read_text(encoding="utf-8", errors="replace")[-SHOWN_CHARACTERS:]
        self.kill()
        raise RunFailed(f"The broker did not start:\n{last}", where=str(self.log))

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.2).close()
        except OSError:
            return False
        from confluent_kafka import KafkaException

        try:
            return bool(self.admin().list_topics(timeout=2).brokers)
        except KafkaException:
            return False


def _identifier() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
