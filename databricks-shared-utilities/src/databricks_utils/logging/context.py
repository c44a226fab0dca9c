"""Fields that every log line of a piece of work carries, without passing them along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_FIELDS: ContextVar[Mapping[str, object] | None] = ContextVar("log_fields", default=None)


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Add fields to every log line of this block, also of what it calls."""
    token = _FIELDS.set({**current_fields(), **fields})
    try:
        yield
    finally:
        _FIELDS.reset(token)


def current_fields() -> Mapping[str, object]:
    """Return the fields in force."""
    return _FIELDS.get() or {}
