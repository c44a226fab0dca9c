"""This process as a client of Spark: its threads, and whether Spark runs elsewhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyspark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Of Spark, which decides what a thread has to be given.
SERIES = tuple(int(part) for part in pyspark.__version__.split(".")[:2])


def over_connect(spark: SparkSession) -> bool:
    """Say whether a session is a client of a Spark Connect server, which runs functions for batches elsewhere."""
    return type(spark).__module__.startswith("pyspark.sql.connect")


def spark_pool(spark: SparkSession, size: int) -> ThreadPoolExecutor:
    """Return a pool of threads in which frames mean what they mean in the main thread."""
    return ThreadPoolExecutor(size, initializer=bind_to_thread, initargs=(spark,))


def bind_to_thread(spark: SparkSession) -> None:
    """Make a session that of the calling thread.

    Spark 3.5 asks the session of the thread for its settings when an expression is made, and for the catalog of a table
    that is written. A thread that Python has started has none: a division by 0 would be NULL there and a sum too great
    would wrap around, since ANSI mode is not known, and the writer would take Spark's own catalog in place of
    Delta Lake's. Creating a frame is the public call that binds the session to the thread. Later versions ask the
    session of the frame.
    """
    if SERIES == (3, 5):
        spark.createDataFrame([], "nothing INT")
