"""A row of features survives the way into bytes and back to the last bit, or is refused."""

from __future__ import annotations

import pytest
from feature_oracle import bits
from hypothesis import given
from hypothesis import strategies as st

from databricks_utils.features.row_codec import RowCodec

CODEC = RowCodec(tuple(f"c{number}" for number in range(11)), ("BIGINT", "DOUBLE") * 5 + ("BIGINT",))
whole = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))
real = st.one_of(st.none(), st.floats())
rows = st.tuples(*[whole if kind == "BIGINT" else real for kind in CODEC.data_types])


@given(rows)
def test_a_row_comes_back_to_the_last_bit(values: tuple[int | float | None, ...]) -> None:
    row = dict(zip(CODEC.columns, values, strict=True))

    back = CODEC.decode(CODEC.encode(row))

    assert {name: bits(value) for name, value in back.items()} == {name: bits(value) for name, value in row.items()}


@given(rows, st.integers(0, 93), st.integers(1, 255))
def test_a_changed_byte_is_found(values: tuple[int | float | None, ...], place: int, change: int) -> None:
    data = bytearray(CODEC.encode(dict(zip(CODEC.columns, values, strict=True))))
    data[place] ^= change

    with pytest.raises(ValueError, match="checksum"):
        CODEC.decode(bytes(data))


def test_a_row_cut_short_is_found() -> None:
    with pytest.raises(ValueError, match="checksum"):
        CODEC.decode(CODEC.encode(CODEC.unknown)[:-1])
