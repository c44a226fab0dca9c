"""Names, values, formats and limits as they are written or read."""

from __future__ import annotations

import re
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from databricks_utils.data_quality.date_format import date_format
from databricks_utils.data_quality.limits import described, within
from databricks_utils.data_quality.sql_text import quoted_name, value_literal
from databricks_utils.errors import InvalidInput
from databricks_utils.sql_literal import string_literal


@given(text=st.text(alphabet="a'\"\\`${}\n\u00e4"))
def test_a_string_literal_ends_where_it_should_and_says_the_text(text: str) -> None:
    literal = string_literal(text)

    body = re.fullmatch(r"'((?:[^'\\]|\\.)*)'", literal, re.DOTALL)
    assert body is not None
    assert "${" not in literal
    assert (
        re.sub(
            r"\\(u0024|.)",
            lambda escape: "$" if escape[1] == "u0024" else escape[1],
            body[1],
            flags=re.DOTALL,
        )
        == text
    )


def test_a_backtick_in_a_name_is_doubled() -> None:
    assert quoted_name("a`b") == "`a``b`"


def test_a_name_that_spark_would_replace_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cannot be used in SQL"):
        quoted_name("${env:HOME}")


@pytest.mark.parametrize(
    ("value", "data_type", "literal"),
    [
        (1, "INT", "1"),
        (0.1, "DECIMAL(10,2)", "0.1"),
        (1e21, "DOUBLE", "1000000000000000000000"),
        (True, "BOOLEAN", "true"),
        ("x", "string", "'x'"),
        (date(2017, 1, 2), "DATE", "DATE '2017-01-02'"),
        (datetime(2017, 1, 2, 3), "TIMESTAMP", "TIMESTAMP '2017-01-02 03:00:00+00:00'"),
        ("2017-01-02T03:00:00Z", "TIMESTAMP", "TIMESTAMP '2017-01-02 03:00:00+00:00'"),
        ("2017-01-02T03:00:00", "TIMESTAMP_NTZ", "TIMESTAMP_NTZ '2017-01-02 03:00:00'"),
    ],
)
def test_a_value_is_written_in_its_columns_type(value: object, data_type: str, literal: str) -> None:
    assert value_literal(value, data_type, "here") == literal


@pytest.mark.parametrize(
    ("value", "data_type"),
    [
        ("1", "INT"),
        (True, "INT"),
        (float("nan"), "DOUBLE"),
        (1, "STRING"),
        ("yes", "BOOLEAN"),
        ("soon", "DATE"),
        (1, "TIMESTAMP"),
    ],
)
def test_a_value_of_another_type_is_refused(value: object, data_type: str) -> None:
    with pytest.raises(InvalidInput, match="is not a value of type"):
        value_literal(value, data_type, "here")


@given(moment=st.datetimes(datetime(1900, 1, 1), datetime(2999, 12, 31)))
def test_a_format_moves_the_parts_of_a_moment_into_iso_order(moment: datetime) -> None:
    form = date_format("'on' dd.MM.yyyy, HH:mm:ss.SSSSSS", "here")
    text = moment.strftime("on %d.%m.") + f"{moment.year:04}" + moment.strftime(", %H:%M:%S.%f")

    replaced = re.sub(form.pattern, re.sub(r"\$(\d)", r"\\\1", form.replacement), text)

    assert replaced == moment.isoformat(sep=" ", timespec="microseconds")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("dd/MM", "leaves out year"),
        ("yyyy-MM-dd EEE", "has 'EEE'"),
        ("yyyy-MM-dd dd", "names the day twice"),
        ("yyyy-MM-dd'T", "a quote that does not end"),
        ("yy-MM-dd", "has 'yy'"),
    ],
)
def test_a_format_with_other_parts_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        date_format(text, "here")


@pytest.mark.parametrize(
    ("limits", "good", "bad", "words"),
    [
        ({"mustBe": 2}, 2, 3, "must be 2"),
        ({"mustNotBe": 2}, 3, 2, "must not be 2"),
        ({"mustBeGreaterThan": 2}, 3, 2, "must be greater than 2"),
        ({"mustBeGreaterOrEqualTo": 2}, 2, 1, "must be at least 2"),
        ({"mustBeLessThan": 2}, 1, 2, "must be less than 2"),
        ({"mustBeLessOrEqualTo": 2}, 2, 3, "must be at most 2"),
        ({"mustBeBetween": [1, 2]}, 2, 3, "must be between 1 and 2"),
        ({"mustNotBeBetween": [1, 2]}, 3, 1, "must not be between 1 and 2"),
    ],
)
def test_each_operator_holds_and_reads_as_the_standard_says(
    limits: dict[str, object], good: float, bad: float, words: str
) -> None:
    assert (within(limits, good), within(limits, bad), described(limits)) == (True, False, words)
