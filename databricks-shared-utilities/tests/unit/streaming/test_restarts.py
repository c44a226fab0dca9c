"""When a query that has died is started again, and when it has died too often."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from databricks_utils.errors import RunFailed
from databricks_utils.streaming import realtime
from databricks_utils.streaming.realtime import _AlertRun
from databricks_utils.streaming.runner import _StreamRun

NAME = "bronze.sales"
RETRIES = 2
PASSING, LASTING = RuntimeError("java.net.ConnectException: refused"), RuntimeError("division by zero")


def dead(start: int, batches: Sequence[int], error: Exception) -> Any:
    """Return a query that has written batches and died."""
    reports = [
        {
            "batchId": batch,
            "timestamp": "2024-01-05T10:00:00.000Z",
            "durationMs": {"addBatch": 1, "triggerExecution": 1},
            "sources": [{"numInputRows": 1}],
        }
        for batch in batches
    ]
    return SimpleNamespace(
        name=NAME,
        runId=start,
        isActive=False,
        lastProgress=reports[-1] if reports else None,
        recentProgress=reports,
        exception=lambda: error,
        stop=lambda: None,
    )


class Starts:
    """Starts a query that dies each time, as a list says; the fault after the last one does not pass.

    Args:
        lives: Batches that each start gets done.
    """

    def __init__(self, lives: Sequence[Sequence[int]]) -> None:
        self.lives, self.number = lives, 0

    def __call__(self, *_: object, **__: object) -> Any:
        self.number += 1
        if self.number > len(self.lives):
            return dead(self.number, [], LASTING)
        return dead(self.number, self.lives[self.number - 1], PASSING)


def somewhere() -> Any:
    streams = SimpleNamespace(awaitAnyTermination=lambda _: None, resetTerminated=lambda: None)
    execution = SimpleNamespace(retries=RETRIES)
    return SimpleNamespace(
        version=lambda _: 0,
        spark=SimpleNamespace(streams=streams),
        configuration=SimpleNamespace(execution=execution),
    )


def run_of_a_stream(starts: Starts) -> str:
    """Run a query until it fails, and say of what."""
    query: Any = SimpleNamespace(name=NAME, node=SimpleNamespace(table=NAME, inputs=()), start=starts, watch=None)
    store: Any = SimpleNamespace(save=lambda _: None)
    metrics: Any = SimpleNamespace(record=lambda *_: None)
    run = _StreamRun(somewhere(), [query], store, metrics, lambda _: None)
    run.for_some_time(None, lambda: False, 0.1)
    return run.errors[NAME]


@pytest.mark.parametrize(("error", "failed"), [(PASSING, False), (LASTING, True)])
def test_a_query_that_dies_while_it_works_off_the_rest_is_started_again_if_that_can_pass(
    error: Exception, failed: bool
) -> None:
    def die() -> None:
        raise error

    dying = dead(0, [], error)
    dying.isActive, dying.processAllAvailable = True, die
    done = SimpleNamespace(**{**vars(dead(1, [7], error)), "awaitTermination": lambda _: True})
    intervals: list[float | None] = []

    def start(interval: float | None) -> Any:
        intervals.append(interval)
        return dying if len(intervals) == 1 else done

    node = SimpleNamespace(table=NAME, inputs=("bronze.sales",))
    query: Any = SimpleNamespace(name=NAME, node=node, start=start, watch=None)
    store: Any = SimpleNamespace(save=lambda _: None)
    metrics: Any = SimpleNamespace(record=lambda *_: None)
    run = _StreamRun(somewhere(), [query], store, metrics, lambda _: None)
    run.for_some_time(None, lambda: True, 0.1)

    assert bool(run.errors) == failed
    # The second start ends when nothing is left.
    assert intervals == ([0.1] if failed else [0.1, None])


def run_of_event_alerts(starts: Starts) -> str:
    """Do the same with alerts about events."""
    alerts = SimpleNamespace(name=NAME, reads=NAME)
    pipeline: Any = SimpleNamespace(name="tills", event_alerts=[alerts])
    store: Any = SimpleNamespace(save=lambda _: None)
    run = _AlertRun(somewhere(), pipeline, None, store, lambda _: None)
    run.metrics = SimpleNamespace(record=lambda *_: None)  # type: ignore[assignment]  # it counts nothing here
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(realtime, "start_event_alerts", starts)
        patch.setattr(realtime, "topic_watch", lambda *_: SimpleNamespace(look=lambda: None))
        run.start()
        with pytest.raises(RunFailed) as raised:
            look_as_long_as_it_runs(run)
    return raised.value.message


def look_as_long_as_it_runs(run: _AlertRun) -> None:
    while run.queries:
        run.look()


@pytest.mark.parametrize("until_it_fails", [run_of_a_stream, run_of_event_alerts])
def test_faults_that_pass_end_no_query_that_gets_on_between_them(until_it_fails: Any) -> None:
    starts = Starts([[number] for number in range(10 * RETRIES)])

    assert "division by zero" in until_it_fails(starts)
    assert starts.number == 10 * RETRIES + 1


@pytest.mark.parametrize("until_it_fails", [run_of_a_stream, run_of_event_alerts])
def test_a_query_that_does_not_get_on_is_started_again_as_often_as_the_configuration_says(until_it_fails: Any) -> None:
    starts = Starts([[0, 1], *[[]] * (10 * RETRIES)])

    assert "ConnectException" in until_it_fails(starts)
    assert starts.number == 1 + RETRIES
