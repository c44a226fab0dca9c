"""Where a table's turn is, so that an error can say at which step and in which batch it happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Trail:
    """The step a table's turn has come to.

    Args:
        step: What is being done, as words that complete "failed to".
        batch: Says which part of the sources is read; asked only when something failed.
    """

    step: str = "begin"
    batch: Callable[[], str] = str


_TRAIL: ContextVar[Trail | None] = ContextVar("trail", default=None)


@contextmanager
def followed() -> Iterator[Trail]:
    """Follow the steps of this block and of what it calls in this thread."""
    trail = Trail()
    token = _TRAIL.set(trail)
    try:
        yield trail
    finally:
        _TRAIL.reset(token)


def entered(step: str, batch: Callable[[], str] | None = None) -> None:
    """Note that a step begins; outside of a followed block nothing happens.

    Args:
        step: What is about to be done.
        batch: What it is done with, if that is news.
    """
    trail = _TRAIL.get()
    if trail is None:
        return
    trail.step = step
    if batch is not None:
        trail.batch = batch
