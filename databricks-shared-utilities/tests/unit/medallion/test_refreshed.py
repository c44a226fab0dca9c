"""When the count of different keys that a write makes anyway proves the key, and when the table must be asked."""

from __future__ import annotations

import pytest

from databricks_utils.data_quality import Summary
from databricks_utils.medallion.gold import Refreshed


def counted(rows: int, distinct_keys: int, invalid: int = 0) -> Summary:
    return Summary(rows, rows - invalid, invalid, distinct_keys, ())


@pytest.mark.parametrize(
    ("refreshed", "proved"),
    [
        (Refreshed(9, counted(9, 9), one_row_per_key=True), 9),
        (Refreshed(9, counted(9, 8), one_row_per_key=True), None),
        # Keys are counted among valid rows only.
        (Refreshed(9, counted(9, 8, invalid=1), one_row_per_key=True), None),
        # Another slice of the table may hold the same keys.
        (Refreshed(9, counted(9, 9), one_row_per_key=False), None),
        (Refreshed(9, None, one_row_per_key=True), None),
        (Refreshed(0, None, one_row_per_key=True), 0),
        (Refreshed(0, None, one_row_per_key=False), None),
    ],
    ids=["each once", "one twice", "one invalid", "one slice", "not counted", "nothing written", "slice gone"],
)
def test_a_key_is_proved_by_a_count_of_all_rows_that_can_hold_it(refreshed: Refreshed, proved: int | None) -> None:
    assert refreshed.proved_unique == proved
