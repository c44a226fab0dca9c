"""How often running queries are asked, and for how long they run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from pyspark.errors import StreamingQueryException

from databricks_utils.errors import InvalidInput
from databricks_utils.streaming.progress import BatchProgress

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: How often running queries are asked how they are.
ASK_SECONDS = 1
#: How often what they said is written to the table.
SAVE_SECONDS = 30.0
#: How often the broker is asked whether their topics are still the same.
WATCH_SECONDS = 10.0

#: Called with the newest reports, by table.
Listener = Callable[[dict[str, BatchProgress]], None]


def check_duration(for_seconds: float | None, *, endless: bool) -> None:
    """Refuse a time for a run that has an end of its own.

    Raises:
        InvalidInput: Both are given.
    """
    if for_seconds is not None and not endless:
        hint = "Add --set streaming.trigger=processing_time, or leave the time out"
        raise InvalidInput("A run that ends by itself has no time to run for", where="streaming.trigger", hint=hint)


def wait_for_an_end(spark: SparkSession) -> None:
    """Wait until a query of the session ends, at most for a second.

    The session tells of the failures of all its queries, those of others and of long ago among them. Who waits for some
    asks each of its own.
    """
    with suppress(StreamingQueryException):
        spark.streams.awaitAnyTermination(ASK_SECONDS)
    spark.streams.resetTerminated()
