"""What a user is told when the library refuses something, also before the command line has begun."""

from __future__ import annotations

import sys
import traceback
from types import TracebackType

import click

from databricks_utils.errors import LakehouseError
from databricks_utils.logging import redacted
from databricks_utils.logging.redaction import concealed


def tell(error: LakehouseError) -> int:
    """Show what happened, where, and what to do next; return the exit code."""
    click.echo(f"Error: {redacted(str(error))}", err=True)
    return error.exit_code


def tell_uncaught() -> None:
    """Let an error of this library that nobody catches end the process as `tell` says, without a traceback.

    A project's definitions check themselves when they are imported, which happens before its command line runs.
    """
    sys.excepthook = _report


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not isinstance(error, LakehouseError):
        # The interpreter's own hook would show what the error says as it is, secrets included.
        click.echo(concealed("".join(traceback.format_exception(kind, error, trace))), err=True, nl=False)
        return
    # The interpreter takes the code of an exit that a hook asks for.
    raise SystemExit(tell(error))
