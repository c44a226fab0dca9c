"""Log lines: JSON for machines, one short line for people."""

from __future__ import annotations

import json
import logging
import math
from datetime import datetime, timezone

from databricks_utils.logging.context import current_fields
from databricks_utils.logging.redaction import concealed, redacted

#: The fields of a JSON line, in their order; those without a value are left out.
FIELDS = (
    "timestamp",
    "level",
    "pipeline",
    "table",
    "batch_id",
    "trace_id",
    "event",
    "rows",
    "duration_seconds",
    "status",
    "error",
    "message",
)


class JsonFormatter(logging.Formatter):
    """Writes one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON; every text is redacted."""
        known = {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        values: dict[str, object] = {
            **current_fields(),
            **known,
            "timestamp": _moment(record).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1]:
            values.setdefault("error", f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}")
        line = {name: _clean(values[name]) for name in FIELDS if values.get(name) is not None}
        return json.dumps(line, ensure_ascii=False)


class ConsoleFormatter(logging.Formatter):
    """Writes time, level, table, message, and what a finished table came to, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line; every text is redacted."""
        table = getattr(record, "table", None) or current_fields().get("table")
        parts = [f"{_moment(record):%H:%M:%S}", f"{record.levelname:<7}", *([str(table)] if table else [])]
        text = " ".join([*parts, *concealed(record.getMessage()).split("\n")])
        if facts := _facts(record):
            text += f": {', '.join(facts)}"
        if record.exc_info and record.exc_info[1]:
            first_line = next(iter(concealed(str(record.exc_info[1])).splitlines()), "")
            text += f": {type(record.exc_info[1]).__name__}: {first_line}"
        return redacted(text)


def _facts(record: logging.LogRecord) -> list[str]:
    """Return status, rows and seconds where the record has them; an error's line ends with the error itself."""
    if record.exc_info:
        return []
    status, rows, seconds = (getattr(record, name, None) for name in ("status", "rows", "duration_seconds"))
    facts = [str(status)] if status is not None else []
    facts += [f"{rows:,} rows"] if isinstance(rows, int) else []
    return [*facts, f"{seconds:,.1f} s"] if isinstance(seconds, int | float) else facts


def _moment(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, tz=timezone.utc)


def _clean(value: object) -> object:
    """Return what JSON has of a value; whatever is shown as text is redacted, also the text of an error or a list."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return redacted(str(value))
