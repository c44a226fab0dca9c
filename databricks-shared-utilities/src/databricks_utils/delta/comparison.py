"""Values in a form in which the equal ones compare equal, and any two can be put in order.

Spark compares no maps, and a text of a value is not the value: `["a, b"]` and `["a", "b"]` are written alike, 0.0 and
-0.0 are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql.types import DataType


def comparable(expression: str, data_type: DataType) -> str:
    """Return SQL for a value of which `<=>`, ORDER BY and hashes can be asked; a map is its entries, sorted by key.

    Args:
        expression: SQL of the value.
        data_type: Its type.
    """
    return _comparable(expression, data_type, 0)


def _comparable(expression: str, data_type: DataType, depth: int) -> str:
    from pyspark.sql.types import ArrayType, MapType, StructType

    if not _holds_map(data_type):
        return expression
    item = f"_item_{depth}"
    if isinstance(data_type, ArrayType):
        return f"transform({expression}, {item} -> {_comparable(item, data_type.elementType, depth + 1)})"
    if isinstance(data_type, MapType):
        key = _comparable(f"{item}.key", data_type.keyType, depth + 1)
        value = _comparable(f"{item}.value", data_type.valueType, depth + 1)
        return f"array_sort(transform(map_entries({expression}), {item} -> struct({key} AS k, {value} AS v)))"
    if not isinstance(data_type, StructType):
        return expression
    parts = [
        f"{_comparable(f'{expression}.`{part.name}`', part.dataType, depth)} AS `{part.name}`" for part in data_type
    ]
    return f"CASE WHEN {expression} IS NOT NULL THEN struct({', '.join(parts)}) END"


def _holds_map(data_type: DataType) -> bool:
    from pyspark.sql.types import ArrayType, MapType, StructType

    if isinstance(data_type, ArrayType):
        return _holds_map(data_type.elementType)
    if isinstance(data_type, StructType):
        return any(_holds_map(part.dataType) for part in data_type)
    return isinstance(data_type, MapType)
