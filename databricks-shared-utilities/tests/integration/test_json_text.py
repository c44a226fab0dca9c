"""JSON objects against Python's reader: the same texts are objects, and their values are in no way rewritten."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from databricks_utils.medallion.json_text import with_object_fields

KEYS = {"id": "id", "price": "unit price (EUR)"}
BLANKS = " \t\r\n"

blanks = st.sampled_from(["", "", "", " ", "\t", " \n", "\r\n"])
numbers = st.sampled_from(
    [*("0", "-0", "1.10", "10000000.01", "123456.789012345678", "1E5", "-1.5e-300", "1e400", "9" * 40, "0.0", "-7")]
)
signs = st.sampled_from([*"aé ,:{}[]1-./\u2028😀", r"\"", r"\\", r"\/", r"\n", r"\u0041", r"\ud83d\ude00", r"\\ud800"])
strings = st.lists(signs, max_size=6).map(lambda parts: '"' + "".join(parts) + '"')
words = st.sampled_from(["true", "false", "null", '"null"', '""'])
names = st.sampled_from(
    [
        "id",
        "id",
        "ID",
        " id ",
        "Id",
        r"\u0069d",
        "unit price (EUR)",
        "Unit Price (eur)",
        "price",
        "_corrupt_record",
        "x",
    ]
)


def separated(open_sign: str, items: Sequence[str], close: str, blank: str) -> str:
    return open_sign + blank + f"{blank},{blank}".join(items) + blank + close


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    entry = st.builds(lambda name, blank, value: f'"{name}"{blank}:{blank}{value}', names, blanks, values)
    return st.builds(separated, st.just("{"), st.lists(entry, max_size=5), st.just("}"), blanks)


scalars = st.one_of(numbers, strings, words)
nested = st.recursive(
    scalars,
    lambda inner: st.one_of(
        objects(inner), st.builds(separated, st.just("["), st.lists(inner, max_size=3), st.just("]"), blanks)
    ),
    max_leaves=8,
)
good = st.one_of(objects(scalars), objects(nested))
#: What stands in deliveries where one object was expected; some of it is one all the same.
ODD = (
    *("", " ", "{}", "[]", "null", "1", '"a"', "{id:1}", "{'x':1}", '{"id":01}', '{"id":1.}', '{"id":.5}'),
    *('{"id":NaN}', '{"id":-Infinity}', '{"id":1,}', '{"id":1/*c*/}', '{"id":1}//', '{"id":tru}', '{"id":"a\tb"}'),
    *('{"id":["a\tb"]}', '{"id":"\\ud800"}', '{"x":["\\udc00"]}', '{"id":"\\x"}', '\ufeff{"id":1}', '{"id":"\ufffd"}'),
    *('{"id":1}{"id":2}', '{"id":1},{"id":2}', '{"id":1}],[{"id":2}', '{"id":[1]}],[{"id":2}', '{"id":1} junk', "{}]"),
    *('{"id":1},', ',{"id":1}', '[{"id":1}]', '{"id":[1]}]', '{"id":{}}{', '{"id":"un', '{"id":{"a":"un}}'),
    '{"id":' + "9" * 1500 + "}",
    '{"id":[' + "9" * 1500 + "]}",
    '{"id":' + "[" * 99 + "1.10" + "]" * 99 + "}",
    '{"id":"' + 'a\\"' * 20_000 + '","x":{"y":"' + "b" * 20_000,
)


def broken(text: str, place: int, junk: str) -> str:
    cut = place % (len(text) + 1)
    return text[:cut] + junk + text[cut + len(junk) % 2 :]


junk = st.sampled_from(["", "", "}", "]", ",", '"', "\\", "{", "0", "-", " x"])
bad = st.builds(broken, good, st.integers(0, 10_000), junk)
texts = st.one_of(good, bad, bad, st.builds(str.__add__, good, good))


def refuse(word: str) -> Any:
    raise ValueError(word)


READER = json.JSONDecoder(parse_constant=refuse, parse_float=str, parse_int=str)
PAIRS = json.JSONDecoder(object_pairs_hook=list, parse_int=str)


def entries_of(text: str) -> list[tuple[str, str | None]] | None:
    """Return the entries of an object with the text of each value, or None where the text is no object."""
    try:
        if not isinstance(READER.decode(text), dict):
            return None
    except (ValueError, RecursionError):
        return None
    if re.search(r"[\ud800-\udfff]", json.dumps(PAIRS.decode(text), ensure_ascii=False)):
        return None  # half of a pair, which UTF-8 cannot hold

    def behind(signs: str, at: int) -> int:
        found = re.compile(f"[{BLANKS}{signs}]*").match(text, at)
        return found.end() if found else at

    entries: list[tuple[str, str | None]] = []
    at = behind("{", 0)
    while text[at] != "}":
        key, at = READER.raw_decode(text, at)
        begin = behind(":", at)
        value, at = READER.raw_decode(text, begin)
        entries.append((key, value if text[begin] == '"' or value is None else text[begin:at]))
        at = behind(",", at)
    return entries


def expected(text: str) -> tuple[str | None, str | None, str | None, str | None]:
    """Return the values of both columns, the others as an object, and the text where it is none."""
    entries = entries_of(text)
    if entries is None:
        return None, None, None, text
    places = []
    for wanted in KEYS.values():
        same = [n for n, (key, _) in enumerate(entries) if key == wanted]
        alike = [n for n, (key, _) in enumerate(entries) if key.strip(BLANKS).lower() == wanted.lower()]
        found = same or alike
        places.append(found[-1] if found else None)
    first, second = (None if place is None else entries[place][1] for place in places)
    others = [json.dumps({key: value})[1:-1] for n, (key, value) in enumerate(entries) if n not in places]
    return first, second, "{" + ",".join(others) + "}" if others else None, None


def drawn(count: int) -> list[str]:
    """Return texts that hypothesis draws, so that one job of Spark reads all of them."""
    found: list[str] = []

    @settings(max_examples=count, suppress_health_check=list(HealthCheck), phases=[Phase.generate], database=None)
    @given(texts)
    def draw(text: str) -> None:
        found.append(text)

    draw()
    return found


def test_objects_are_read_as_python_reads_them_and_values_stay_as_they_were_written(spark: SparkSession) -> None:
    every = [*drawn(1500), *ODD]
    rows = spark.createDataFrame(list(enumerate(every)), "n INT, text STRING")

    found = with_object_fields(rows, "text", KEYS).orderBy("n").collect()

    read = [(r.id, r.price, r._rescued_data and json.loads(r._rescued_data, object_pairs_hook=list)) for r in found]
    wanted = [expected(text) for text in every]
    assert [row._corrupt_record for row in found] == [item[3] for item in wanted]
    assert read == [(a, b, others and json.loads(others, object_pairs_hook=list)) for a, b, others, _ in wanted]
    # The drawn texts are of every kind: sound and broken ones, nested ones, ones with unexpected keys.
    assert min(sum(item[3] is None for item in wanted), sum(item[3] is not None for item in wanted)) > 100
    assert sum(item[2] is not None for item in wanted) > 100
    assert sum("[" in (item[0] or "") for item in wanted) > 20
