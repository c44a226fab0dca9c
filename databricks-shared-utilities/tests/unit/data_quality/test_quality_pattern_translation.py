"""Which patterns are refused, and with what advice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from databricks_utils.data_quality import java_pattern
from databricks_utils.errors import InvalidInput


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        (r"(a)\1", r"\1"),
        (r"(?<x>a)\k<x>", r"\k"),
        (r"(?<=a)b", "(?<="),
        (r"(?<!a)b", "(?<!"),
        (r"(?i)a", "(?i)"),
        (r"(?>a)", "(?>a"),
        (r"a++", "++"),
        (r"a*?+", "*?+"),
        (r"\Aa", r"\A"),
        (r"a\Z", r"\Z"),
        (r"\Qa\E", r"\Q"),
        (r"\p{Alpha}", r"\p"),
        (r"\p{Script=Greek}", r"\p"),
        (r"[^\S]", r"\S"),
        (r"[]a]", "[]"),
        (r"[^]", "[^]"),
        (r"[abc", "[abc"),
        (r"a{,3}", "{"),
        (r"{", "{"),
        ("\\u{110000}", "{110000}"),
        (r"\uD83D\uDE00", r"\uD83D"),
        ("a\\", "\\"),
        (r"\01", r"\0"),
    ],
)
def test_what_java_reads_differently_is_refused_by_name(pattern: str, part: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        java_pattern(pattern, "sales.yaml, column code")

    assert repr(part)[1:-1] in caught.value.message
    assert (caught.value.where, bool(caught.value.hint)) == ("sales.yaml, column code", True)


@pytest.mark.parametrize("pattern", ["(a", "a)", "[z-a]", "a{3,1}", "*a", "(?:*)", "|*", "[a-\\d]"])
def test_what_is_no_regular_expression_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="is not a regular expression"):
        java_pattern(pattern, "sales.yaml")


def translated(text: str) -> str | InvalidInput:
    try:
        return java_pattern(text, "sales.yaml")
    except InvalidInput as problem:
        return problem


@given(text=st.text())
def test_a_pattern_is_translated_or_refused_and_never_anything_else(text: str) -> None:
    found = translated(text)

    if isinstance(found, InvalidInput):
        assert found.where == "sales.yaml"
    else:
        assert found.startswith(r"\A(?:")
        assert found.endswith(r")\z")


@pytest.mark.parametrize("pattern", ["abc", r"\d{3}-?\w+", "(?:a|b)*", r"[a-z0-9_.-]+@[a-z]+\.de"])
def test_what_both_dialects_share_stays_as_it_is(pattern: str) -> None:
    assert java_pattern(pattern, "sales.yaml") == rf"\A(?:{pattern})\z"
