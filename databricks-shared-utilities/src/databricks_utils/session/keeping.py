"""A Connect server that stays when the process that started it ends, so that the next one need not start Spark.

A folder belongs to one such server. The server inherits a lock on the file `alive` in it and holds the lock as long as
it lives, however it dies: neither a process number that was given again nor a file that was left behind can be
mistaken for it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from databricks_utils.errors import InvalidInput, LakehouseError
from databricks_utils.file_lock import end_holder, holding, is_held
from databricks_utils.session.connect import (
    STOP_SECONDS,
    await_answer,
    require_answer,
    server_jars,
    spawn_server,
)
from databricks_utils.session.installation import SparkInstallation, installed_spark
from databricks_utils.session.jars import DELTA
from databricks_utils.session.settings import SparkSettings, local_settings

FOLDER = ".spark"
"""Where a project keeps its server's address, beside its other folders."""

_LOCK = "lock"
_STATE = "server.json"
_ALIVE = "alive"
_SCRATCH = "scratch"


@dataclass(frozen=True)
class KeptServer:
    """A server that is up.

    Args:
        address: Where it listens, `sc://localhost:port`.
        token: What it asks of its clients; empty below Spark 4, which asks nothing.
        pid: Its process.
        spark: Its version of Spark.
        digest: Of everything it was started with.
        log: File with everything it printed.
    """

    address: str
    token: str
    pid: int
    spark: str
    digest: str
    log: str

    @property
    def url(self) -> str:
        """Address for `spark.remote`, with the token."""
        return f"{self.address}/;token={self.token}" if self.token else self.address


def keep_server(
    spark: SparkSettings, warehouse: Path, folder: Path, *, jar_groups: Sequence[str] = DELTA
) -> tuple[KeptServer, bool]:
    """Return the server of a folder, and whether it had to be started.

    One that is dead, does not answer or was started with other settings is replaced. Where two processes ask at
    once, one starts it and the other waits.

    Args:
        spark: Cores, memory, shuffle partitions and further settings.
        warehouse: Folder of the tables that the server is for.
        folder: What belongs to the server, usually `FOLDER` in a project; only its owner can read it.
        jar_groups: As in `create_session`.

    Raises:
        InvalidInput: Windows, which has no locks that a process inherits.
        MissingTool: No suitable Java, a jar is missing, or the server ended at once.
        LakehouseError: The server did not answer in time; it has been ended.
    """
    if sys.platform == "win32":
        raise InvalidInput("A Spark server cannot be kept on Windows", hint="Work in WSL, or without one")
    installation = installed_spark()
    jars = server_jars(installation, jar_groups)
    digest = server_digest(spark, warehouse, installation, jars)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with holding(folder / _LOCK):
        found = kept_server(folder)
        if found is not None and found.digest == digest and _answers(found):
            return found, False
        _clear(folder)
        return _started(spark, installation, jars, digest, folder), True


def kept_server(folder: Path) -> KeptServer | None:
    """Return the server of a folder that is up, or None."""
    with contextlib.suppress(OSError, ValueError, TypeError):  # no file, or one that another version wrote
        server = KeptServer(**json.loads((folder / _STATE).read_text(encoding="utf-8")))
        return server if is_held(folder / _ALIVE) else None
    return None


def fitting_server(
    spark: SparkSettings, warehouse: Path, folder: Path, *, jar_groups: Sequence[str] = DELTA
) -> KeptServer | None:
    """Return the server of a folder if it was started with these settings and answers, or None."""
    server = kept_server(folder)
    if server is None:
        return None
    installation = installed_spark()
    digest = server_digest(spark, warehouse, installation, server_jars(installation, jar_groups))
    return server if server.digest == digest and _answers(server) else None


def end_server(folder: Path) -> bool:
    """End the server of a folder, remove what belongs to it, and say whether there was one."""
    if not folder.is_dir():
        return False
    with holding(folder / _LOCK):
        return _clear(folder)


def server_digest(spark: SparkSettings, warehouse: Path, installation: SparkInstallation, jars: Sequence[Path]) -> str:
    """Return a digest of all that decides whether a server is the one that would be started now."""
    settings = local_settings(spark, warehouse, jars)
    # Called as ../.venv/bin/python it is the same interpreter; its links are kept, for they tell environments apart.
    python = os.path.abspath(sys.executable)
    decisive = [installation.version, str(installation.home), python, sorted(settings.items())]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()


def _started(
    spark: SparkSettings, installation: SparkInstallation, jars: Sequence[Path], digest: str, folder: Path
) -> KeptServer:
    scratch = folder.resolve() / _SCRATCH
    scratch.mkdir()
    # What a killed server leaves lies here, where the next start or end removes it.
    settings = local_settings(spark, scratch / "warehouse", jars)
    settings["spark.local.dir"] = str(scratch)
    settings["spark.driver.extraJavaOptions"] += f' "-Djava.io.tmpdir={scratch}"'
    token = secrets.token_urlsafe(32) if installation.series != "3.5" else ""
    with holding(folder / _ALIVE) as lock:
        server = spawn_server(installation, settings, token=token, held=[lock])
        (folder / _ALIVE).write_text(str(server.process.pid), encoding="utf-8")
        await_answer(server)
    # A client sends a token without TLS only to this name.
    address = server.url.replace("127.0.0.1", "localhost")
    kept = KeptServer(address, token, server.process.pid, installation.version, digest, str(server.log))
    _write_private(folder / _STATE, json.dumps(dataclasses.asdict(kept), indent=2) + "\n")
    return kept


def _answers(server: KeptServer) -> bool:
    try:
        require_answer(server.address, environ={})
    except LakehouseError:
        return False
    return True


def _clear(folder: Path) -> bool:
    """End the server that holds the lock, remove what servers leave, and say whether there was one."""
    alive = folder / _ALIVE
    was_up = is_held(alive)
    if was_up:
        end_holder(alive, int(alive.read_text(encoding="utf-8")), STOP_SECONDS)
    for name in (_STATE, _ALIVE):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / _SCRATCH, ignore_errors=True)
    return was_up


def _write_private(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
