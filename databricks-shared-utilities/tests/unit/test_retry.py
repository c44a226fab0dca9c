"""Only what can succeed on another try is tried again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from databricks_utils.errors import InvalidInput
from databricks_utils.retry import is_transient, retry


def failing(errors: list[Exception]) -> Callable[[], str]:
    def action() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    return action


def test_the_pause_doubles_until_it_works() -> None:
    pauses: list[float] = []

    result = retry(failing([ConnectionError(), TimeoutError()]), attempts=3, delay_seconds=2, sleep=pauses.append)

    assert result == "done"
    assert pauses == [2, 4]


def test_the_last_error_is_the_one_raised() -> None:
    with pytest.raises(ConnectionError, match="second"):
        retry(failing([ConnectionError("first"), ConnectionError("second")]), attempts=2, sleep=lambda _: None)


def test_an_error_that_stays_is_not_tried_again() -> None:
    pauses: list[float] = []

    with pytest.raises(ValueError, match="wrong"):
        retry(failing([ValueError("wrong")]), attempts=5, sleep=pauses.append)

    assert pauses == []


def test_concurrent_writers_are_transient_and_bad_input_is_not() -> None:
    assert is_transient(RuntimeError("io.delta.exceptions.ConcurrentAppendException: files were added"))
    assert not is_transient(InvalidInput("ConnectException in a name"))
    assert not is_transient(RuntimeError("AnalysisException: no such column"))
