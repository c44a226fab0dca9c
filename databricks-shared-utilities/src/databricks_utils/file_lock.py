"""Locks on files, held by the kernel, which takes them back when their holder ends, however it ends.

They are advisory (flock): whoever does not ask is not kept out. Windows has none of this kind, nor have some network
file systems; there `NoLocks` is raised, so that nobody takes a file for locked that is not.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from databricks_utils.errors import LakehouseError

if sys.platform != "win32":
    import fcntl

_LOOK_SECONDS = 0.05
_UNSUPPORTED = (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS)


class NoLocks(LakehouseError):
    """Neither this operating system nor the file system can lock the file."""


def taken(file: IO[str], *, exclusive: bool = True, wait: bool = False) -> bool:
    """Take the lock of an open file, and say whether it could be had; closing the file gives it back.

    Args:
        file: The file. A process that inherits its descriptor holds the lock as well, until it ends.
        exclusive: Nobody else may hold the lock; otherwise others may that do not ask for it exclusively either.
        wait: Wait for whoever holds it, instead of returning False.

    Raises:
        NoLocks: There is no lock to be had here.
    """
    if sys.platform == "win32":
        raise NoLocks("Windows has no locks that end with their holder", where=file.name, hint="Work in WSL")
    how = (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        raise NoLocks("The file system has no locks", where=file.name, hint="Use a folder on a local disk") from error
    return True


@contextlib.contextmanager
def holding(path: Path) -> Iterator[int]:
    """Hold the lock of a file for the length of a `with` block, after whoever holds it now.

    A process that inherits the file descriptor given holds the lock as well, until it ends.

    Raises:
        NoLocks: There is no lock to be had here.
    """
    with path.open("a", encoding="utf-8") as file:
        taken(file, wait=True)
        yield file.fileno()


def is_held(path: Path) -> bool:
    """Say whether somebody holds the lock of a file; nobody holds that of one that does not exist."""
    try:
        with path.open(encoding="utf-8") as file:
            # Shared, so that two who ask at once do not take each other for a holder.
            return not taken(file, exclusive=False)
    except FileNotFoundError:
        return False


def is_released(path: Path, within_seconds: float) -> bool:
    """Wait until nobody holds the lock of a file, and say whether that came in time."""
    deadline = time.monotonic() + within_seconds
    while is_held(path):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def end_holder(path: Path, process: int, within_seconds: float) -> None:
    """End the process that holds the lock of a file, by force if it does not end in order.

    Args:
        path: The file.
        process: Its holder.
        within_seconds: How long to wait for each of the two.

    Raises:
        LakehouseError: Somebody holds the lock still.
    """
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, how)
        if is_released(path, within_seconds):
            return
    hint = f"End process {process} by hand"
    raise LakehouseError(f"Process {process} cannot be ended", where=str(path), hint=hint)
