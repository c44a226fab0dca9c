"""Types from text agree with Spark's own printing of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import types as T

from databricks_utils.contracts import data_type, parse_schema
from databricks_utils.errors import InvalidInput

names = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
scalars = st.sampled_from(
    [T.StringType(), T.BooleanType(), T.IntegerType(), T.LongType(), T.DoubleType(), T.DateType(), T.TimestampType()]
) | st.integers(1, 38).flatmap(lambda wide: st.integers(0, wide).map(lambda scale: T.DecimalType(wide, scale)))


def structs(inner: st.SearchStrategy[T.DataType]) -> st.SearchStrategy[T.DataType]:
    fields = st.dictionaries(names, inner, min_size=1, max_size=3)
    return fields.map(lambda given: T.StructType([T.StructField(name, kind) for name, kind in given.items()]))


types = st.recursive(
    scalars,
    lambda inner: (
        inner.map(T.ArrayType) | st.tuples(scalars, inner).map(lambda pair: T.MapType(*pair)) | structs(inner)
    ),
    max_leaves=6,
)


@given(types)
def test_a_type_printed_by_spark_is_read_back(kind: T.DataType) -> None:
    assert data_type(kind.simpleString()) == kind
    assert data_type(kind.simpleString().upper()).simpleString().lower() == kind.simpleString().lower()


@pytest.mark.parametrize("text", ["", "TEXT", "DECIMAL(39,2)", "DECIMAL(2,3)", "ARRAY<", "MAP<STRING>", "INT INT"])
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a Spark type"):
        data_type(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("STRUCT<a-b: INT>", "in backticks"),
        ("ARRAY<STRUCT<größe: INT>>", "in backticks"),
        ("STRUCT<a.b: INT>", "in backticks"),
        ("STRUCT<`a.b`: INT>", "in backticks"),
        ("STRUCT<2d: INT>", "in backticks"),
        ("STRUCT<a: INT, A: STRING>", "field a is there twice"),
        ("MAP<STRING, STRUCT<>>", "Give it a field"),
        ("MAP<ARRAY<MAP<STRING, INT>>, INT>", "hold no other map"),
        ("STRUCT<a: INT,>", "For example"),
    ],
)
def test_a_type_that_no_table_can_have_is_refused_with_its_reason(text: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        data_type(text)

    assert hint in (caught.value.hint or "")


def test_a_field_has_any_name_in_backticks() -> None:
    assert data_type("STRUCT<`a-b`: INT, `größe` STRING, 2nd: INT>").fieldNames() == ["a-b", "größe", "2nd"]


def test_a_schema_may_be_written_with_or_without_colons() -> None:
    assert parse_schema("id BIGINT, x ARRAY<INT>") == parse_schema("id: BIGINT, x: ARRAY<INT>")
