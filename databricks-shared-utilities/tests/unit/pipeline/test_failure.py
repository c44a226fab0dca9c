"""An error is told by its innermost cause, with what it means and what to do."""

from __future__ import annotations

import errno
import os

import pytest

from databricks_utils.errors import InvalidInput, RunFailed
from databricks_utils.pipeline.failure import KINDS, RUNBOOK, cause_of, explained, kind_name
from databricks_utils.pipeline.trail import Trail, entered, followed
from databricks_utils.retry import is_transient

# As Spark 4.1 and Delta 4.4 said it, with fewer frames.
STREAM = """[STREAM_FAILED] Query [id = 962d] terminated with exception: [FOREACH_BATCH_USER_FUNCTION_ERROR] \
An error occurred in the user provided function in foreach batch sink. Reason: An exception was raised by the Python \
Proxy. Return Message: Traceback (most recent call last):
  File "bronze.py", line 94, in __call__
    append(
py4j.protocol.Py4JJavaError: An error occurred while calling o200.saveAsTable.
: org.apache.spark.SparkException: [TASK_WRITE_FAILED] Task failed while writing rows to file:/w/orders. SQLSTATE: 58030
\tat org.apache.spark.sql.errors.QueryExecutionErrors$.taskFailed(QueryExecutionErrors.scala:807)
Caused by: org.apache.spark.SparkException: [FAILED_READ_FILE.NO_HINT] Encountered error while reading file \
file:///l/orders/2.csv.gz.  SQLSTATE: KD001
\tat java.net.ConnectException.Fake(ConnectException.java:1)
Caused by: java.io.EOFException: Unexpected end of input stream
\tat org.apache.hadoop.io.compress.DecompressorStream.decompress(DecompressorStream.java:165)


=== Streaming Query ===
Identifier: bronze.orders-af9c2b3f
"""
DIVISION = """An error occurred while calling o6878.overwrite.
: org.apache.spark.SparkException: [TASK_WRITE_FAILED] Task failed while writing rows to file:/w/daily. SQLSTATE: 58030
\tat org.apache.spark.sql.errors.QueryExecutionErrors$.taskFailed(QueryExecutionErrors.scala:807)
Caused by: org.apache.spark.SparkArithmeticException: [DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012
"""
FULL = DIVISION.replace(
    "org.apache.spark.SparkArithmeticException: [DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012",
    "org.apache.hadoop.fs.FSError: java.io.IOException: No space left on device",
)


class ConcurrentAppendException(Exception):
    """Has the name of Delta's."""


class AnalysisException(Exception):
    """Has the name of Spark's."""


def test_the_cause_is_the_innermost_one_without_frames_packages_and_codes() -> None:
    assert cause_of(RuntimeError(STREAM)) == "EOFException: Unexpected end of input stream"
    assert cause_of(RuntimeError(DIVISION)) == "SparkArithmeticException: [DIVIDE_BY_ZERO] Division by zero."
    assert cause_of(RuntimeError(DIVISION.partition("Caused by")[0])) == (
        "SparkException: [TASK_WRITE_FAILED] Task failed while writing rows to file:/w/daily."
    )
    assert cause_of(ValueError("first\nsecond")) == "ValueError: first"
    assert cause_of(ValueError()) == "ValueError: no message"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError(FULL), "disk-full"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "disk-full"),
        (OSError(errno.EFBIG, os.strerror(errno.EFBIG)), "disk-full"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES)), "no-permission"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "no-permission"),
        (NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)), "path-in-the-way"),
        (ConcurrentAppendException("files were added"), "conflict"),
        (RuntimeError("java.io.FileNotFoundException: _change_data/cdc-0.parquet does not exist"), "history-gone"),
        (RuntimeError(DIVISION), "value"),
        (AnalysisException("[UNRESOLVED_COLUMN] a column `amuont` cannot be resolved"), "transformation"),
        (KeyError("amuont"), "transformation"),
        (ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)), "connection"),
        (RuntimeError("java.lang.OutOfMemoryError: Java heap space"), "memory"),
        (RuntimeError("[DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE] ..."), "two-rows-of-one-key"),
        (RunFailed("Rows do not balance"), "transformation"),
        (InvalidInput("no such folder"), "input"),
        (RuntimeError(STREAM), "damaged-file"),
        (RuntimeError("something else"), "unexpected"),
    ],
)
def test_an_error_has_a_kind(error: Exception, kind: str) -> None:
    assert kind_name(error) == kind


def test_only_what_can_pass_by_itself_is_tried_again() -> None:
    assert is_transient(ConcurrentAppendException("files were added"))
    assert is_transient(RuntimeError("io.delta.exceptions.MetadataChangedException: columns were added"))
    assert is_transient(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))
    assert is_transient(RuntimeError("429 TooManyRequests"))
    assert is_transient(RuntimeError("SparkException: Python worker failed to connect back."))

    assert not is_transient(RuntimeError(FULL + "Caused by: java.net.ConnectException: Connection refused"))
    assert not is_transient(PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    assert not is_transient(AnalysisException("the column `ConnectException` cannot be resolved"))
    assert not is_transient(RunFailed("Rows do not balance while DELTA_CONCURRENT"))
    assert not is_transient(RuntimeError(DIVISION))
    # A class in a stack frame has not been raised.
    assert not is_transient(RuntimeError(STREAM))


def test_a_failure_is_told_with_step_batch_cause_and_runbook() -> None:
    text = explained(RuntimeError(FULL), Trail("write the rows", lambda: "bronze.orders versions 3 to 4"), "5f1d2c3b")

    assert text.splitlines() == [
        "There is no space left to write to",
        "  step:    write the rows",
        "  batch:   bronze.orders versions 3 to 4; run 5f1d2c3b",
        "  cause:   FSError: java.io.IOException: No space left on device",
        "  hint:    Free space (maintain removes files no version needs), then run again: nothing is half written",
        f"  runbook: {RUNBOOK}#disk-full",
    ]


def test_a_failure_names_the_file_that_was_being_read() -> None:
    assert "  file:    file:///l/orders/2.csv.gz" in explained(RuntimeError(STREAM), Trail(), "1").splitlines()


def test_what_the_library_says_on_purpose_keeps_its_words() -> None:
    error = RunFailed("Rows do not balance: 4 read", where="silver.orders", hint="No filter, no join")

    lines = explained(error, Trail("compare the counts"), "1").splitlines()

    assert lines[0] == "Rows do not balance: 4 read"
    assert "  where:   silver.orders" in lines
    assert "  hint:    No filter, no join" in lines
    assert lines[-1] == f"  runbook: {RUNBOOK}#transformation"


def test_a_secret_in_an_error_is_masked() -> None:
    assert "hunter2" not in explained(RuntimeError("cannot open jdbc:x?password=hunter2"), Trail(), "1")


def test_steps_are_followed_within_their_block_only() -> None:
    with followed() as trail:
        entered("write the rows", lambda: "batch 3")
        entered("compare the counts")
    entered("outside")

    assert (trail.step, trail.batch()) == ("compare the counts", "batch 3")


def test_kinds_have_names_of_their_own_and_say_what_to_do() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert all(kind.hint and kind.signs and kind.meaning for kind in KINDS)
