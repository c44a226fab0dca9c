"""Trying again, only what can succeed on another try."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import TypeVar

from databricks_utils.errors import LakehouseError

_LOG = logging.getLogger(__name__)
Result = TypeVar("Result")

#: Names of exceptions, here or in the JVM's message, after which the same statement may succeed.
#: Source: Delta Lake documentation, "Concurrency control"; Spark Connect and Databricks SDK error names.
CONFLICTS = (
    "ConcurrentAppendException",
    "ConcurrentDeleteDeleteException",
    "ConcurrentDeleteReadException",
    "ConcurrentTransactionException",
    "ConcurrentWriteException",
    "DELTA_CONCURRENT",
    "MetadataChangedException",
    "DELTA_METADATA_CHANGED",
    "ProtocolChangedException",
    "DELTA_PROTOCOL_CHANGED",
)
THROTTLED = ("TemporarilyUnavailable", "TooManyRequests", "REQUEST_LIMIT_EXCEEDED", "SlowDown", "ThrottlingException")
CONNECTIONS = (
    "StatusCode.UNAVAILABLE",
    "SocketTimeoutException",
    "ConnectException",
    "NoRouteToHostException",
    "UnknownHostException",
    "Connection reset",
    "ConnectionResetError",
    "ConnectionRefusedError",
    "BrokenPipeError",
    # A busy machine: Spark gives a new Python process ten seconds.
    "Python worker failed to connect back",
)
#: What another try meets again, whatever else the message says.
FULL_DISK = ("No space left on device", "Disk quota exceeded", "File too large", "DiskSpaceException")
NO_PERMISSION = (
    "Permission denied",
    "AccessControlException",
    "AccessDenied",
    "PERMISSION_DENIED",
    "INSUFFICIENT_PERMISSIONS",
    "Read-only file system",
    "Operation not permitted",
)
_FRAME = re.compile(r"^\s+(?:at |File \"|\.\.\. \d+ more).*$", re.MULTILINE)


def is_transient(error: BaseException) -> bool:
    """Say whether an error can pass by itself: a lost connection, a concurrent writer, a throttled service.

    What this library says on purpose, a full disk, a missing permission and statements that Spark refuses stay.
    """
    if isinstance(error, LakehouseError):
        return False
    text = said(error)
    if mentions(text, (*FULL_DISK, *NO_PERMISSION)):
        return False
    if isinstance(error, ConnectionError | TimeoutError) or mentions(text, CONFLICTS):
        return True
    refused = {"AnalysisException", "ParseException"} & {kind.__name__ for kind in type(error).__mro__}
    return not refused and mentions(text, (*THROTTLED, *CONNECTIONS))


def said(error: BaseException) -> str:
    """Return an error's type and message without stack frames, whose names say nothing about the cause."""
    return f"{type(error).__name__}: {_FRAME.sub('', str(error))}"


def mentions(text: str, names: tuple[str, ...]) -> bool:
    """Say whether one of the names is in the text."""
    return any(name in text for name in names)


def retry(
    action: Callable[[], Result],
    *,
    attempts: int = 3,
    delay_seconds: float = 1.0,
    when: Callable[[BaseException], bool] = is_transient,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """Call `action` until it succeeds, its error is not worth another try, or the attempts are used up.

    Args:
        action: What to do; it must be safe to repeat.
        attempts: Most calls.
        delay_seconds: Pause before the second call; it doubles before each further one.
        when: Says which errors are worth another try.
        sleep: Waits; a test gives its own.
    """
    for attempt in range(1, attempts + 1):
        try:
            return action()
        except Exception as error:
            if attempt == attempts or not when(error):
                raise
            pause = delay_seconds * 2 ** (attempt - 1)
            _LOG.warning("attempt %s of %s failed, next in %.1f s", attempt, attempts, pause, exc_info=error)
            sleep(pause)
    raise ValueError("retry needs at least one attempt")
