"""Patterns of contracts as Spark runs them."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from databricks_utils.contracts import Column, Contract
from databricks_utils.data_quality import java_pattern, label, row_rules

MATCHES = [
    ("abc", ["abc"], ["xabc", "abcx", "abc\n", ""]),
    ("^abc$", ["abc"], ["abc\n", "\nabc"]),
    ("a|bc", ["a", "bc"], ["ac", "abc"]),
    (r"\d{2,3}", ["12", "123"], ["1", "1234", "\u0661\u0662"]),
    (r"[\w.]+@\w+", ["a.b@c"], ["a.b@", "\u00e4@c"]),
    (r"\s", [" ", "\t", "\u00a0", "\ufeff", "\u2028"], ["", "\u200b"]),
    (r"[\s\S]", ["\n", "a", "\u00a0"], ["", "ab"]),
    (".", ["a", "\u0085", "\U0001f600"], ["\n", "\r", "\u2028"]),
    (r"[[]&&[\]]", ["[&&]"], ["[", "&&"]),
    (r"[a&&b]+", ["a", "&", "b"], ["c"]),
    (r"\v\0\cJ\x41B\u{1F600}", ["\x0b\x00\nAB\U0001f600"], ["v"]),
    (r"(?<year>\d{4})-(?:01|02)(?=-)-(?!3)\d", ["2017-01-1"], ["2017-03-1", "2017-01-3"]),
    (r"\bfoo\b.\Boo", ["foo-oo"][:0], ["foo-oo", "foooo"]),
    (r"foo\b.bar", ["foo-bar", "foo\u00e4bar"], ["fooxbar"]),
    (r"\p{Lu}\P{L}", ["\u00c41"], ["a1", "AA"]),
    (r"\$\{a\}\/'`\\", ["${a}/'`\\"], ["$a"]),
    (r"a{2}]}", ["aa]}"], ["a"]),
    (r"[\b\-.]", ["\b", "-", "."], ["b"]),
]


@pytest.mark.parametrize(("pattern", "good", "bad"), MATCHES, ids=[pattern for pattern, _, _ in MATCHES])
def test_a_pattern_matches_whole_values_as_the_standard_says(
    spark: SparkSession, pattern: str, good: list[str], bad: list[str]
) -> None:
    assert {value for value in (*good, *bad) if matches(spark, pattern, [value])[0]} == set(good)


def matches(spark: SparkSession, pattern: str, values: list[str]) -> list[bool]:
    column = Column("value", "STRING", options={"pattern": pattern})
    contract = Contract("gold", "texts", "1.0.0", "active", "", "", (column,))
    rows = spark.createDataFrame(list(enumerate(values)), "n INT, value STRING")
    return [row._is_valid for row in label(rows, row_rules(contract)).orderBy("n").collect()]


atoms = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\d", r"\w", "(?:a|b)", "(a)", "^", "$", r"[&\]]", "-", r"\."])
patterns = st.lists(st.builds(str.__add__, atoms, st.sampled_from(["", "", "?", "*", "{1,2}"])), min_size=1, max_size=5)


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(parts=patterns, values=st.lists(st.text("ab1.-&]\u00e9\n", max_size=5), min_size=20, max_size=20))
def test_plain_patterns_match_what_python_matches(spark: SparkSession, parts: list[str], values: list[str]) -> None:
    pattern = "".join(part for part in parts if part[0] not in "^$" or len(part) == 1)
    python = re.compile(pattern.replace("$", r"\Z") or "a", re.ASCII)

    assert matches(spark, pattern or "a", values) == [python.fullmatch(value) is not None for value in values]


def test_the_translation_is_a_pattern_java_accepts_for_every_example(spark: SparkSession) -> None:
    rows = spark.createDataFrame([(java_pattern(pattern, "here"),) for pattern, _, _ in MATCHES], "pattern STRING")

    assert rows.selectExpr("'' RLIKE pattern").count() == len(MATCHES)
