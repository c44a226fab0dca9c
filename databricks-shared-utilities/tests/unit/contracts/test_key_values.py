"""A value of a key is one text in every library, and two values of one text are one value."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from databricks_utils.contracts import key_text
from databricks_utils.errors import InvalidInput

BERLIN = timezone(timedelta(hours=1))
MOMENT = datetime(2024, 3, 1, 23, 30, tzinfo=timezone.utc)
wholes = st.integers(-(2**63), 2**63 - 1)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**30), max_value=10**30)
values = st.one_of(wholes, st.text(), st.booleans(), decimals, st.dates(), st.binary())


def numpys(number: int) -> list[Any]:
    kinds = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)
    return [kind(number) for kind in kinds if np.iinfo(kind).min <= number <= np.iinfo(kind).max]


@given(wholes)
def test_a_whole_number_is_one_text_in_python_numpy_and_pandas(number: int) -> None:
    column = pd.Series([number], dtype="Int64")
    found = {key_text((item,)) for item in (number, *numpys(number), column[0], pd.Series([number])[0])}

    assert found == {f"[{number}]"} == {key_text((number,), ["BIGINT"])}


@given(st.text(), st.booleans())
def test_a_text_and_a_boolean_are_one_text_in_python_numpy_and_pandas(text: str, truth: bool) -> None:
    assert key_text((text, truth)) == key_text((str(pd.Series([text])[0]), np.bool_(truth)), ["STRING", "BOOLEAN"])
    # numpy's texts cannot end with a zero character.
    if not text.endswith("\0"):
        assert key_text((text,)) == key_text((np.str_(text),))


@given(decimals)
def test_zeros_at_the_end_of_a_decimal_make_no_other_entity(value: Decimal) -> None:
    padded = Decimal(f"{value:f}0" if "." in f"{value:f}" else f"{value:f}.0")

    assert key_text((value,)) == key_text((padded,)) == key_text((value,), ["DECIMAL(38,6)"])


@given(values, values)
def test_different_values_have_different_texts(one: object, other: object) -> None:
    same = type(one) is type(other) and one == other

    assert (key_text((one,)) == key_text((other,))) == same
    assert (key_text((one, 1)) == key_text((other, 1))) == same


def test_what_looks_alike_is_told_apart_and_what_is_equal_is_not() -> None:
    day = uuid.UUID(int=7)
    alike = [1, "1", True, "true", Decimal(1), date(2024, 3, 1), "2024-03-01", MOMENT, b"1", (1, 12), (11, 2)]
    texts = [key_text(item if isinstance(item, tuple) else (item,)) for item in alike]
    moments = [MOMENT, MOMENT.astimezone(BERLIN), pd.Timestamp(MOMENT), pd.Timestamp(MOMENT).tz_convert("Asia/Tokyo")]

    assert len(set(texts)) == len(alike)
    assert len({key_text((moment,), ["TIMESTAMP"]) for moment in moments}) == 1
    assert key_text((day,)) == key_text((str(day),), ["STRING"])
    long = Decimal("12345678901234567890123456789012345678")
    assert key_text((long,)) != key_text((long + 1,))


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (1.0, "pandas makes floats of whole numbers beside missing ones"),
        (np.float64(7), "Cast it to a whole number"),
        (None, "Give whole numbers"),
        (pd.NA, "Give whole numbers"),
        (pd.NaT, "cannot be a value of a key"),
        (Decimal("NaN"), "cannot be a value of a key"),
        (datetime(2024, 3, 1), "Give it a time zone"),
        (np.datetime64("2024-03-01"), "cannot be a value of a key"),
        (pd.Timestamp(1, unit="ns", tz="UTC"), "cannot be a value of a key"),
        ([1], "cannot be a value of a key"),
    ],
    ids=repr,
)
def test_what_no_key_can_have_is_refused(value: object, hint: str) -> None:
    with pytest.raises(InvalidInput, match=f"(?s){hint}"):
        key_text((value,))


@pytest.mark.parametrize(
    ("value", "data_type"),
    [
        ("1", "BIGINT"),
        (True, "INT"),
        (Decimal(1), "BIGINT"),
        (2**31, "INT"),
        (-129, "TINYINT"),
        (1, "STRING"),
        (1, "BOOLEAN"),
        (1, "DECIMAL(10,0)"),
        (Decimal("1.005"), "DECIMAL(10,2)"),
        (MOMENT, "DATE"),
        (MOMENT.replace(tzinfo=None), "TIMESTAMP"),
        (MOMENT, "TIMESTAMP_NTZ"),
        ("1", "BINARY"),
        (1, "ARRAY<INT>"),
    ],
)
def test_a_value_of_another_type_than_declared_is_refused(value: object, data_type: str) -> None:
    with pytest.raises(InvalidInput, match="is no "):
        key_text((value,), [data_type])


@pytest.mark.parametrize("asked", [lambda: key_text("113"), lambda: key_text((1, 2), ["INT"])])
def test_a_key_is_a_row_of_values_as_long_as_its_columns(asked: Callable[[], str]) -> None:
    with pytest.raises(InvalidInput):
        asked()
