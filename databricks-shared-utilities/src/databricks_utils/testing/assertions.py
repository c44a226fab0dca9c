"""What a test claims about a frame, with a difference a person can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from databricks_utils.testing.frames import frame

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def assert_frame(actual: DataFrame, expected: DataFrame | str, *, ordered: bool = False) -> None:
    """Check that a frame has the expected columns, types and rows.

    Args:
        actual: The frame under test.
        expected: Another frame, or a table written as text, which is read with the types of `actual`.
        ordered: Whether the order of the rows matters.

    Raises:
        AssertionError: Rows or types differ; the message shows both sides.
        InvalidInput: The text's header does not name the columns of `actual`.
    """
    from pyspark.testing import assertDataFrameEqual

    if isinstance(expected, str):
        types = [f"`{field.name}` {field.dataType.simpleString()}" for field in actual.schema.fields]
        expected = frame(actual.sparkSession, expected, ", ".join(types))
    assertDataFrameEqual(actual, expected, checkRowOrder=ordered)
