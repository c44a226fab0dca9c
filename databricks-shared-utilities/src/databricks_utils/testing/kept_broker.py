"""A broker that stays when the command that started it ends, for streams on this machine.

As with a kept Spark, the broker inherits a lock on the file `alive` in its folder and holds it as long as it lives,
however it dies. Its events stay in the folder, and the next start has them again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from databricks_utils.errors import InvalidInput
from databricks_utils.file_lock import end_holder, holding, is_held
from databricks_utils.testing.broker import STOP_SECONDS, KafkaBroker

FOLDER = ".broker"
"""Where a project keeps its broker, beside its other folders."""

PORT = 9092
_LOCK, _ALIVE, _STATE = "lock", "alive", "broker.json"


@dataclass(frozen=True)
class KeptBroker:
    """A broker that is up.

    Args:
        bootstrap_servers: Where it listens.
        process: Its process.
        log: File with what it prints.
    """

    bootstrap_servers: str
    process: int
    log: str


def keep_broker(folder: Path, topics: Sequence[str], port: int = PORT) -> tuple[KeptBroker, bool]:
    """Return the broker of a folder, and whether it had to be started; topics that it lacks are created.

    Args:
        folder: What belongs to the broker, usually `FOLDER` in a project.
        topics: Topics of two partitions.
        port: Where a new one listens.

    Raises:
        InvalidInput: Windows, which has no locks that a process inherits, or something else listens at the port.
        MissingTool: Java, a jar or the client is missing.
        RunFailed: The broker does not come up.
    """
    if sys.platform == "win32":
        raise InvalidInput("A broker cannot be kept on Windows", hint="Work in WSL")
    folder.mkdir(parents=True, exist_ok=True)
    with holding(folder / _LOCK):
        found = kept_broker(folder)
        if found is None:
            _check_free(port)
        broker = KafkaBroker(folder, port=int(found.bootstrap_servers.rpartition(":")[2]) if found else port)
        if found is None:
            with holding(folder / _ALIVE) as lock:
                broker.start(held=[lock])
            kept = KeptBroker(broker.bootstrap_servers, broker.process or 0, str(broker.log))
            (folder / _STATE).write_text(json.dumps(dataclasses.asdict(kept)), encoding="utf-8")
        else:
            kept = found
        present = broker.topics()
        for topic in topics:
            if topic not in present:
                broker.create_topic(topic)
        return kept, found is None


def kept_broker(folder: Path) -> KeptBroker | None:
    """Return the broker of a folder that is up, or None."""
    with contextlib.suppress(OSError, ValueError, TypeError):  # no file, or one that another version wrote
        found = KeptBroker(**json.loads((folder / _STATE).read_text(encoding="utf-8")))
        return found if is_held(folder / _ALIVE) else None
    return None


def end_broker(folder: Path) -> bool:
    """End the broker of a folder, whose events stay, and say whether there was one."""
    if not folder.is_dir():
        return False
    with holding(folder / _LOCK):
        found = kept_broker(folder)
        if found is not None:
            end_holder(folder / _ALIVE, found.process, STOP_SECONDS)
        (folder / _STATE).unlink(missing_ok=True)
        return found is not None


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            hint = "Name another one with --port, or end what listens there"
            raise InvalidInput(f"Port {port} is not free: {error.strerror}", where="broker up", hint=hint) from None
