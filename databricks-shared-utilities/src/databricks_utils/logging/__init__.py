"""Structured logging on the standard library: context, JSON lines, no secrets."""

from __future__ import annotations

import logging
import sys
from typing import IO

from databricks_utils.logging.context import current_fields, log_context
from databricks_utils.logging.formatter import ConsoleFormatter, JsonFormatter
from databricks_utils.logging.redaction import redacted

__all__ = [
    "ConsoleFormatter",
    "JsonFormatter",
    "configure_logging",
    "current_fields",
    "log_context",
    "redacted",
]

ROOT = "databricks_utils"


def configure_logging(level: str = "INFO", style: str = "auto", stream: IO[str] | None = None) -> None:
    """Set up this library's logging; other loggers are left alone.

    Args:
        level: Least level that is logged.
        style: `json`, `console`, or `auto`: console on a terminal, where INFO is left to the run's table; JSON else.
        stream: Where to; standard error by default.
    """
    target = stream or sys.stderr
    on_terminal = style == "console" or (style == "auto" and target.isatty())
    handler = logging.StreamHandler(target)
    handler.setFormatter(ConsoleFormatter() if on_terminal else JsonFormatter())
    logger = logging.getLogger(ROOT)
    logger.handlers[:] = [handler]
    logger.setLevel("WARNING" if style == "auto" and on_terminal and level == "INFO" else level)
    logger.propagate = False
