"""Trying again, only what can succeed on another try."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from databricks_utils.errors import InvalidInput

_LOG = logging.getLogger(__name__)
Result = TypeVar("Result")

#: Names of exceptions, here or in the JVM's message, after which the same statement may succeed.
#: Source: Delta Lake documentation, "Concurrency control"; Spark Connect and Databricks SDK error names.
TRANSIENT = (
    "ConcurrentAppendException",
    "ConcurrentDeleteDeleteException",
    "ConcurrentDeleteReadException",
    "ConcurrentTransactionException",
    "ConcurrentWriteException",
    "DELTA_CONCURRENT",
    "MetadataChangedException",
    "TemporarilyUnavailable",
    "TooManyRequests",
    "StatusCode.UNAVAILABLE",
    "SocketTimeoutException",
    "ConnectException",
    "NoRouteToHostException",
)


def is_transient(error: BaseException) -> bool:
    """Say whether an error can pass by itself: a lost connection, a concurrent writer, a throttled service."""
    if isinstance(error, InvalidInput):
        return False
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    text = f"{type(error).__name__}: {error}"
    return any(name in text for name in TRANSIENT)


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
