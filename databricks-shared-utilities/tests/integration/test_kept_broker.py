"""A broker from the command line stays and keeps its events; one of a test ends with the test, however that ends."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from little_broker import SALES, produce
from little_tills import CONTRACTS, TILLS
from own_process import own_environment

from databricks_utils.cli import Project, command_line
from databricks_utils.errors import InvalidInput
from databricks_utils.session.connect import free_port
from databricks_utils.streaming import StreamPipeline
from databricks_utils.testing import KafkaBroker
from databricks_utils.testing.kept_broker import FOLDER, end_broker, keep_broker, kept_broker

pytestmark = pytest.mark.broker
CONFIGURATION = """\
environment: local
catalog: spark_catalog
storage: {landing: landing, warehouse: tables, checkpoints: checkpoints, reports: reports}
"""

# Starts a broker, and waits to be killed.
PARENT = """
import sys
from pathlib import Path
from databricks_utils.testing import KafkaBroker

broker = KafkaBroker(Path(sys.argv[1])).start()
print(broker.port, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project[StreamPipeline]]:
    """Change into a project of streams; its broker is ended afterwards."""
    (tmp_path / "contracts").symlink_to(CONTRACTS)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "base.yaml").write_text(CONFIGURATION)
    (tmp_path / "config" / "local.yaml").write_text("environment: local\n")
    (tmp_path / "bundle.yml").write_text("bundle: {name: tills}\n")
    monkeypatch.chdir(tmp_path)
    yield Project(TILLS, "tills", tmp_path / "src" / "tills")
    end_broker(tmp_path / FOLDER)


def number_of_events(address: str) -> int:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "test", "log_level": 0})
    ends = [consumer.get_watermark_offsets(TopicPartition(SALES, partition), timeout=60)[1] for partition in (0, 1)]
    consumer.close()
    return sum(ends)


def test_a_broker_is_started_once_with_the_topics_of_the_pipeline_and_has_its_events_after_the_next_start(
    project: Project[StreamPipeline], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port, folder = free_port(), tmp_path / FOLDER
    up = ["broker", "up", "--port", str(port), "--topic", "tills.alerts"]

    assert command_line(project, up) == 0
    first = capsys.readouterr().out
    kept = kept_broker(folder)
    assert kept is not None
    broker = KafkaBroker(folder, port=port)
    assert broker.topics() >= {"tills.sales", "tills.payments", "tills.alerts"}
    produce(broker, SALES, [b"one", b"two"])
    assert command_line(project, up) == 0
    again = capsys.readouterr().out
    assert command_line(project, ["broker", "down"]) == 0
    assert command_line(project, ["broker", "down"]) == 0
    down = capsys.readouterr().out
    assert command_line(project, up) == 0

    assert f"A broker is up: 127.0.0.1:{port}, process {kept.process}" in first
    assert f"--set streaming.broker.bootstrap_servers=127.0.0.1:{port}" in first
    assert f"A broker was up already: 127.0.0.1:{port}, process {kept.process}" in again
    assert down.splitlines() == ["The broker is down.", "No broker was up."]
    assert number_of_events(f"127.0.0.1:{port}") == 2
    with pytest.raises(InvalidInput, match=f"Port {port} is not free"):
        keep_broker(tmp_path / "another", [], port)


def test_a_broker_of_a_process_that_is_killed_ends_with_it(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "broker")],
        env=own_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    port = int(parent.stdout.readline())

    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        parent.kill()
        parent.communicate()
        # The kernel ends the connections of a process that is no more.
        try:
            said = connection.recv(1)
        except ConnectionResetError:
            said = b""

    assert said == b""
