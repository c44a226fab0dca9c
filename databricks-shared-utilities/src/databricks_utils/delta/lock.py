"""One run at a time for each table of one warehouse folder, held by the kernel.

Delta Lake keeps concurrent commits apart where the storage can refuse to replace a file. A local file system cannot:
two processes may write the same version, and one commit is lost. A lock of the kernel ends with the process that
holds it, however that ends, so none is ever left behind; where there are no locks, a run says so and goes on. On
Databricks nothing is locked: storage refuses there, and a job has one run at a time.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timezone
from typing import IO

from databricks_utils.delta.namespace import Namespace
from databricks_utils.errors import TableBusy
from databricks_utils.file_lock import NoLocks, taken

_LOG = logging.getLogger(__name__)
FOLDER = ".locks"
#: Pause between two looks at a lock that somebody holds.
PAUSE_SECONDS = 0.05
#: A longer wait is told; the appends to the run tables wait for each other for moments.
TOLD_AFTER_SECONDS = 2.0
#: Time that the Java process of a run that was killed may take to end.
LAST_BREATH_SECONDS = 30.0
DEFAULT_WAIT_SECONDS = 600.0


@contextlib.contextmanager
def locked(
    namespace: Namespace,
    *,
    write: Collection[str],
    read: Collection[str] = (),
    holder: Mapping[str, object] | None = None,
    wait_seconds: float = DEFAULT_WAIT_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[bool]:
    """Hold tables for the length of a block: nobody else writes them, nor what the block reads.

    The block is told whether that is so: False without a warehouse folder, and where a file system has no locks.

    Args:
        namespace: Names of the environment; without a warehouse folder nothing is locked.
        write: `layer.table` names that nobody else may read or write.
        read: `layer.table` names that others may read too.
        holder: What a waiting process is told besides process, machine and time, such as `run`; `java` is the process
            that may still write when this one has been killed.
        wait_seconds: How long to wait for another holder; 0 fails at once.
        sleep: Waits; a test gives its own.

    Raises:
        TableBusy: Somebody holds a table, and still does after the wait.
    """
    if namespace.warehouse is None:
        yield False
        return
    note = {
        "process": os.getpid(),
        "machine": socket.gethostname(),
        "since": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC",
        **(holder or {}),
    }
    begin = time.monotonic()
    told, is_locked = False, True
    with contextlib.ExitStack() as held:
        # Everybody takes locks in the same order, so that no two wait for each other.
        for table in sorted({*write, *read}):
            file = held.enter_context(_opened(namespace, table))
            exclusive = table in write
            try:
                while not taken(file, exclusive=exclusive):
                    waited = time.monotonic() - begin
                    if waited >= wait_seconds:
                        raise _busy(table, file, wait_seconds)
                    if not told and waited >= TOLD_AFTER_SECONDS:
                        told = True
                        who = _busy(table, file, waited).message
                        _LOG.warning("%s; waiting for it, at most %.0f s", who, wait_seconds)
                    sleep(PAUSE_SECONDS)
            except NoLocks as none:
                if is_locked:
                    _LOG.warning("%s: let no two runs write the same tables at once", none.message)
                is_locked = False
            if exclusive:
                _take_over(table, file, sleep)
                held.enter_context(_noted(file, note))
        yield is_locked


def _opened(namespace: Namespace, table: str) -> IO[str]:
    location = namespace.location(table)
    if location is None or namespace.warehouse is None:
        raise ValueError("only tables of a warehouse folder are locked")
    folder = namespace.warehouse / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    # Never removed: a process that waits for a removed file would hold another lock than one that comes later.
    handle = os.open(folder / f"{location.parent.name}.{location.name}", os.O_RDWR | os.O_CREAT, 0o666)
    return os.fdopen(handle, "r+", encoding="utf-8")


@contextlib.contextmanager
def _noted(file: IO[str], note: Mapping[str, object]) -> Iterator[None]:
    _rewritten(file, json.dumps(note))
    try:
        yield
    finally:
        _rewritten(file, "")


def _rewritten(file: IO[str], text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()


def _note(file: IO[str]) -> dict[str, object]:
    file.seek(0)
    try:
        found = json.loads(file.read() or "{}")
    except ValueError:  # it is being written this moment
        return {}
    return found if isinstance(found, dict) else {}


def _take_over(table: str, file: IO[str], sleep: Callable[[float], None]) -> None:
    """Let the Java process of a holder that was killed end first, since it may be in the middle of a commit."""
    dead = _note(file)
    if not dead:
        return
    _LOG.warning("%s: process %s ended in the middle of its run; this run goes on from there", table, dead["process"])
    java = dead.get("java")
    deadline = time.monotonic() + LAST_BREATH_SECONDS
    while dead["machine"] == socket.gethostname() and isinstance(java, int) and _alive(java):
        if java == os.getpid() or time.monotonic() >= deadline:
            break
        sleep(PAUSE_SECONDS)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _busy(table: str, file: IO[str], waited: float) -> TableBusy:
    note = _note(file)
    if note:
        who = f"process {note['process']} on {note['machine']}, since {note['since']}"
        run = f"run {str(note['run'])[:12]}, " if note.get("run") else ""
        message = f"{table} is being written by another run: {run}{who}"
        hint = f"Run again when it is done, or end process {note['process']} if it hangs; its lock ends with it"
    else:
        message = f"{table} is being read by another run"
        hint = "Run again when it is done"
    wait = (
        f"after {waited:,.0f} s (execution.lock_wait_seconds)" if waited else "at once (execution.lock_wait_seconds: 0)"
    )
    return TableBusy(message, where=f"{file.name}, given up {wait}", hint=hint)
