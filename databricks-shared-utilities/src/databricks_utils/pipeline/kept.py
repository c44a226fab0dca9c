"""Rows kept for the several statements that use them, where the compute allows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@contextmanager
def kept(rows: DataFrame) -> Iterator[DataFrame]:
    """Keep rows until the block ends.

    Serverless compute refuses to cache; there the rows are computed again, with the same result, because nothing
    in them may depend on a clock or on chance.
    """
    try:
        kept = rows.persist()
    except PySparkException:
        yield rows
        return
    try:
        yield kept
    finally:
        kept.unpersist()
