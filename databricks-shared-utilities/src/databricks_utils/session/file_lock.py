"""Locks on files, which the operating system takes back when their holder dies."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_LOOK_SECONDS = 0.05


@contextlib.contextmanager
def holding(path: Path) -> Iterator[int]:
    """Hold the lock of a file for the length of a `with` block, after whoever holds it now.

    A process that inherits the file descriptor given holds the lock as well, until it ends.
    """
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def is_held(path: Path) -> bool:
    """Say whether somebody holds the lock of a file; nobody holds that of one that does not exist."""
    try:
        with path.open(encoding="utf-8") as file:
            # Shared, so that two who ask at once do not take each other for a holder.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def is_released(path: Path, within_seconds: float) -> bool:
    """Wait until nobody holds the lock of a file, and say whether that came in time."""
    deadline = time.monotonic() + within_seconds
    while is_held(path):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
