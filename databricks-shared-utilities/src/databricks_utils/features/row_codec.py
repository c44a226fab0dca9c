"""A row of features as bytes, so that what comes out online has the bits of what was computed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

#: Value of a feature: BIGINT, DOUBLE or NULL.
Value = int | float | None


@dataclass(frozen=True)
class RowCodec:
    """Packs and unpacks rows of one feature table.

    The bytes: a CRC-32 of the rest, one bit for each column that is NULL, then 8 bytes for each column.

    Args:
        columns: Names of the feature columns.
        data_types: BIGINT or DOUBLE for each.
    """

    columns: Sequence[str]
    data_types: Sequence[str]

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """Return the bytes of a row."""
        row = [values[column] for column in self.columns]
        nulls = sum(1 << number for number, value in enumerate(row) if value is None)
        packed = self._layout.pack(
            nulls.to_bytes(self._null_bytes, "little"), *[0 if value is None else value for value in row]
        )
        return zlib.crc32(packed).to_bytes(4, "little") + packed

    def decode(self, data: bytes) -> dict[str, Value]:
        """Return the row of bytes.

        Raises:
            ValueError: The bytes are not what `encode` made.
        """
        packed = data[4:]
        if len(packed) != self._layout.size or zlib.crc32(packed) != int.from_bytes(data[:4], "little"):
            raise ValueError("the row's checksum does not fit")
        nulls, *values = self._layout.unpack(packed)
        row: dict[str, Value] = dict(zip(self.columns, values, strict=True))
        missing = int.from_bytes(nulls, "little")
        while missing:
            lowest = missing & -missing
            row[self.columns[lowest.bit_length() - 1]] = None
            missing ^= lowest
        return row

    @property
    def unknown(self) -> dict[str, Value]:
        """The row of an entity of which nothing is known."""
        return dict.fromkeys(self.columns)

    @cached_property
    def _layout(self) -> struct.Struct:
        kinds = "".join("q" if data_type == "BIGINT" else "d" for data_type in self.data_types)
        return struct.Struct(f"<{self._null_bytes}s{kinds}")

    @property
    def _null_bytes(self) -> int:
        return (len(self.columns) + 7) // 8
