"""Structured logging on the standard library: context, lines for people or JSON, no secrets."""

from __future__ import annotations

import logging
import os
import sys
from typing import IO

from databricks_utils.errors import InvalidInput
from databricks_utils.logging.context import current_fields, log_context
from databricks_utils.logging.formatter import ConsoleFormatter, JsonFormatter
from databricks_utils.logging.redaction import redacted
from databricks_utils.runtime import on_databricks

__all__ = [
    "ConsoleFormatter",
    "JsonFormatter",
    "configure_logging",
    "current_fields",
    "log_context",
    "redacted",
]

ROOT = "databricks_utils"
#: Says how log lines look where the configuration leaves it open: `json` or `console`.
VARIABLE = "DATABRICKS_UTILS_LOG"
STYLES = ("json", "console")


def configure_logging(level: str = "INFO", style: str = "auto", stream: IO[str] | None = None) -> None:
    """Set up this library's logging; other loggers are left alone.

    Args:
        level: Least level that is logged.
        style: `json`, `console`, or `auto`: what the variable DATABRICKS_UTILS_LOG says; without it JSON on Databricks
            and lines for people elsewhere. On a terminal `auto` leaves INFO to the run's table.
        stream: Where to; standard error by default.

    Raises:
        InvalidInput: The variable says something else.
    """
    target = stream or sys.stderr
    chosen = _chosen(target) if style == "auto" else style
    handler = logging.StreamHandler(target)
    handler.setFormatter(JsonFormatter() if chosen == "json" else ConsoleFormatter())
    logger = logging.getLogger(ROOT)
    logger.handlers[:] = [handler]
    quiet = style == "auto" and chosen == "console" and target.isatty() and level == "INFO"
    logger.setLevel("WARNING" if quiet else level)
    logger.propagate = False


def _chosen(target: IO[str]) -> str:
    wanted = os.environ.get(VARIABLE, "")
    if wanted and wanted not in STYLES:
        raise InvalidInput(f"{wanted!r} is no style of log lines", where=VARIABLE, hint=f"Write {' or '.join(STYLES)}")
    machine = on_databricks() and not target.isatty()
    return wanted or ("json" if machine else "console")
