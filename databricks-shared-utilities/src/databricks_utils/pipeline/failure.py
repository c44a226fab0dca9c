"""What went wrong with a table: the cause in one line, what it means, and where the runbook helps."""

from __future__ import annotations

import re
from dataclasses import dataclass

from databricks_utils.errors import InvalidInput, LakehouseError, MissingTool, RunFailed, TableBusy
from databricks_utils.logging import redacted
from databricks_utils.logging.redaction import concealed
from databricks_utils.pipeline.trail import Trail
from databricks_utils.retry import CONFLICTS, CONNECTIONS, FULL_DISK, NO_PERMISSION, THROTTLED, mentions, said

RUNBOOK = "docs/runbooks/pipeline-failure.md"
#: Longest cause that is shown; Spark repeats whole plans in some of its messages.
MOST_LETTERS = 600
_CAUSED_BY = re.compile(r"^\s*Caused by: (.+)$", re.MULTILINE)
#: A line that begins with the name of an exception, of Python or, after a colon, of Java.
_NAMED = re.compile(r"^(?:: )?((?:[\w$]+\.)*\w*(?:Error|Exception|File): .+)$", re.MULTILINE)


@dataclass(frozen=True)
class Kind:
    """A kind of failure.

    Args:
        name: Stable name: the runbook's heading, and `error_kind` in `operations.table_runs`.
        meaning: What it means, as one sentence without a full stop.
        hint: What to do next.
        signs: Words in an error's text that tell it.
    """

    name: str
    meaning: str
    hint: str
    signs: tuple[str, ...] = ()


UNKNOWN = Kind("unexpected", "", "Look at the log of the run for the traceback, above all for lines of this project")
TRANSFORMATION = Kind(
    "transformation", "The transformation asks for something that is not there", "Compare it with the contracts"
)
#: From the most telling sign to the least: a full disk can show as a lost connection, never the other way round.
KINDS = (
    Kind(
        "disk-full",
        "There is no space left to write to",
        "Free space (maintain removes files no version needs), then run again: nothing is half written",
        FULL_DISK,
    ),
    Kind(
        "no-permission",
        "This user may not read or write there",
        "Grant what the cause names to the user that runs the pipeline, then run again",
        NO_PERMISSION,
    ),
    Kind(
        "path-in-the-way",
        "Something else lies where a folder of this pipeline should be",
        "Look at the path in the cause; move what lies there away, or correct storage in the configuration",
        (
            "NotADirectoryError",
            "ParentNotDirectoryException",
            "Not a directory",
            "Is a directory",
            "FileExistsError",
            "FileAlreadyExistsException",
            "Mkdirs failed",
            "DELTA_CANNOT_CREATE_LOG_PATH",
            "DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION",
        ),
    ),
    Kind(
        "memory",
        "The memory of the session is not enough",
        "Raise spark.memory, or lower ingestion.max_files_per_batch and execution.parallel_tables",
        ("OutOfMemoryError", "Java heap space", "GC overhead limit"),
    ),
    Kind(
        "conflict",
        "Somebody else wrote to the same table at the same moment, in every try",
        "Run again when the other writer is done; if it is a second run of this pipeline, let one of them go",
        CONFLICTS,
    ),
    Kind(
        "history-gone",
        "Files or versions that were still to be read have been removed",
        "Run this table with --full-refresh; then vacuum less, or run more often",
        (
            "DELTA_CHANGE_DATA_FILE_NOT_FOUND",
            "DELTA_CHANGE_TABLE_FEED_DISABLED",
            "DELTA_FILE_NOT_FOUND",
            "DELTA_LOG_FILE_NOT_FOUND",
            "DELTA_TRUNCATED_TRANSACTION_LOG",
            "DELTA_VERSIONS_NOT_CONTIGUOUS",
            "DELTA_STATE_RECOVER_ERROR",
            "VersionNotFoundException",
            "FILE_NOT_EXIST",
            "FileNotFoundException",
        ),
    ),
    Kind(
        "damaged-file",
        "A delivered file cannot be read to its end",
        "Put a whole file of the same name in its place, then run again: nothing of it has been taken in",
        (
            "Unexpected end of input stream",
            "not in gzip format",
            "BadGzipFile",
            "incorrect header check",
            "FAILED_READ_FILE",
        ),
    ),
    Kind(
        "two-rows-of-one-key",
        "The transformation gives two rows of one key",
        "Aggregate or join so that each key of the contract has one row",
        ("DELTA_MULTIPLE_SOURCE_ROW_MATCHING",),
    ),
    Kind(
        "value",
        "A value does not fit the calculation or the column's type",
        "Make the expression safe (try_divide, try_cast), widen the type, or add a rule that puts such rows aside",
        (
            "DIVIDE_BY_ZERO",
            "CAST_INVALID_INPUT",
            "CAST_OVERFLOW",
            "ARITHMETIC_OVERFLOW",
            "NUMERIC_VALUE_OUT_OF_RANGE",
            "INVALID_ARRAY_INDEX",
            "DELTA_NOT_NULL_CONSTRAINT_VIOLATED",
            "DELTA_VIOLATE_CONSTRAINT",
            "DELTA_EXCEED_CHAR_VARCHAR_LIMIT",
        ),
    ),
    Kind(
        "connection",
        "A service did not answer, in every try",
        "Check the network and the service in the cause, then run again",
        (*CONNECTIONS, *THROTTLED),
    ),
    Kind(
        "transformation",
        TRANSFORMATION.meaning,
        TRANSFORMATION.hint,
        ("AnalysisException", "ParseException", "UNRESOLVED_COLUMN", "TABLE_OR_VIEW_NOT_FOUND"),
    ),
)
#: Kinds of what this library says on purpose, by class of error.
OWN = {RunFailed: "transformation", InvalidInput: "input", MissingTool: "machine", TableBusy: "locked"}


def kind_of(error: BaseException) -> Kind:
    """Return the kind of an error that did not come from this library."""
    text = said(error)
    found = (kind for kind in KINDS if mentions(text, kind.signs))
    python = isinstance(error, TypeError | AttributeError | NameError | KeyError)
    return next(found, TRANSFORMATION if python else UNKNOWN)


def kind_name(error: BaseException) -> str:
    """Return the name of an error's kind."""
    if not isinstance(error, LakehouseError):
        return kind_of(error).name
    return next((name for base, name in OWN.items() if isinstance(error, base)), UNKNOWN.name)


def cause_of(error: BaseException) -> str:
    """Return the innermost cause in one line: its class and what it says.

    Spark wraps a cause in up to six messages, each with its stack; the last `Caused by` is what happened.
    """
    if isinstance(error, LakehouseError):
        return error.message
    # Masked before it is cut: half a secret would not be found any more.
    text = concealed(str(error)).partition("=== Streaming Query ===")[0]
    causes = _CAUSED_BY.findall(text)
    outer = _NAMED.findall(text)
    if causes or outer:
        line = causes[-1] if causes else outer[-1]
    else:
        first = next((line for line in text.splitlines() if line.strip()), "no message")
        line = f"{type(error).__name__}: {first}"
    name, colon, message = line.strip().partition(": ")
    short = f"{name.rpartition('.')[2]}{colon}{message}" if colon else line.strip()
    short = re.sub(r"\s*SQLSTATE: \w+;?.*$", "", short)
    return short if len(short) <= MOST_LETTERS else f"{short[:MOST_LETTERS]}…"


def file_of(error: BaseException) -> str | None:
    """Return the file that Spark was reading when the error came up, if it says so."""
    found = re.search(r"Encountered error while reading file (\S+?)\.?\s", str(error))
    return found[1] if found else None


def explained(error: BaseException, trail: Trail, run_id: str) -> str:
    """Return what a failed table's row, report and log say: meaning, step, batch, cause, what to do, runbook.

    Args:
        error: What was raised.
        trail: Where the table's turn had come to.
        run_id: Name of the run.
    """
    batch = "; ".join(part for part in (trail.batch(), f"run {run_id[:12]}") if part)
    lines: list[tuple[str, str | None]] = [("step", trail.step), ("batch", batch)]
    if isinstance(error, LakehouseError):
        headline = error.message
        lines += [("where", error.where), ("hint", error.hint)]
    else:
        kind, cause = kind_of(error), cause_of(error)
        headline = kind.meaning or cause
        lines += [("file", file_of(error)), ("cause", cause if kind.meaning else None), ("hint", kind.hint)]
    lines.append(("runbook", f"{RUNBOOK}#{kind_name(error)}"))
    told = [f"  {label + ':':<8} {text}" for label, text in lines if text]
    return redacted("\n".join([headline, *told]))
