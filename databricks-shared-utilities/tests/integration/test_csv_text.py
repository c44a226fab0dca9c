"""CSV files against Python's reader: every row is there once and as it was written, or the file is set aside."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter, defaultdict
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from databricks_utils.medallion import Files
from databricks_utils.medallion.delivered_file import examined
from databricks_utils.medallion.file_readers import read_files, with_open_quotes

KEYS = {"id": "id", "note": "note (long)", "size": "size"}
SOURCE = Files("orders")
ENDS = ("\n", "\r\n", "\r")
#: Values of the columns and of what has none, or the row where it is damaged.
Row = tuple[tuple[str, ...], tuple[str, ...]] | str

letters = st.text(st.sampled_from('ab" ,;é\n\r'), max_size=5)
sound = st.one_of(
    st.sampled_from(["", '""', "1", "007", " x ", '5" nail', "ab"]),
    letters.map(lambda text: '"' + text.replace('"', '""') + '"'),
    st.text(st.sampled_from("ab é;"), max_size=4),
)
loose = st.one_of(sound, sound, letters, letters.map(lambda text: f'"{text}"'))
headers = st.sampled_from(
    [
        *(
            "id,note (long),size",
            "SIZE, id ,x,Note (Long)",
            "id,size,,id",
            '"no\nte",id',
            "_corrupt_record,id,_metadata",
        ),
        *("id,ID_2,id,size", "\u00a0id,size\u2003,\x85x"),
    ]
)


@st.composite
def files(draw: st.DrawFn) -> str:
    field = draw(st.sampled_from([sound, sound, loose]))
    ends = draw(st.sampled_from([*[[end] for end in ENDS], list(ENDS)]))
    header = draw(headers)
    width = header.count(",") + 1
    rows = draw(st.lists(st.lists(field, min_size=width, max_size=width), max_size=4))
    if draw(st.integers(0, 4)) == 0:
        rows.append(draw(st.lists(field, min_size=1, max_size=width + 1)))
    lines = [*draw(st.sampled_from([[], ["", " "]])), header, *(",".join(row) for row in rows)]
    text = "".join(line + draw(st.sampled_from(ends)) for line in lines)
    return draw(st.sampled_from(["", "\ufeff"])) + (text if draw(st.booleans()) else text.rstrip("\r\n"))


def drawn(count: int) -> list[str]:
    """Return files that hypothesis draws, so that a few jobs of Spark read all of them."""
    found: list[str] = []

    @settings(max_examples=count, suppress_health_check=list(HealthCheck), phases=[Phase.generate], database=None)
    @given(files())
    def draw(text: str) -> None:
        found.append(text)

    draw()
    return found


def records_of(text: str) -> list[tuple[list[str], str]] | None:
    """Return Python's records with the text of each; None where a quote is never closed."""
    lines = list(io.StringIO(text.lstrip("\ufeff"), newline=""))
    if lines and lines[-1][-1] not in "\r\n":
        lines[-1] += "\n"
    last, before = ["the end"], 0
    records: list[tuple[list[str], str]] = []
    reader = csv.reader([*lines, *last])
    for fields in reader:
        whole = "".join(lines[before : reader.line_num])
        before = reader.line_num
        records.append((fields, whole.removesuffix("\n").removesuffix("\r")))
    return [item for item in records[:-1] if item[1].strip()] if records[-1][0] == last else None


def is_sound(record: str) -> bool:
    """Say whether nothing stands behind a closing quote."""
    try:
        next(csv.reader(io.StringIO(record, newline=""), strict=True), None)
    except csv.Error:
        return False
    return True


def expected(text: str) -> Counter[Row] | None:
    """Return a file's rows with how often each is there; None where a quote is never closed.

    Python does not tell an empty field from an empty text, so that neither is told here.
    """
    records = records_of(text)
    if records is None:
        return None
    names = [name.strip() for name in records[0][0]] if records else []
    places = [next((n for n, name in enumerate(names) if name.lower() == key.lower()), None) for key in KEYS.values()]
    found: Counter[Row] = Counter()
    for fields, record in records[1:]:
        if len(fields) != len(names) or not is_sound(record):
            found[record] += 1
            continue
        others = tuple(field for n, field in enumerate(fields) if n not in places and field)
        values = tuple("" if place is None else fields[place] for place in places)
        found[values, others] += 1
    return found


def test_rows_are_those_that_python_reads_or_their_file_is_set_aside(spark: SparkSession, tmp_path: Path) -> None:
    texts = drawn(700)
    paths = {}
    for number, text in enumerate(texts):
        file = tmp_path / f"{number}.csv"
        file.write_bytes(text.encode())
        paths[file.as_uri()] = text

    seen = [examined(path, SOURCE, KEYS) for path in paths]
    aside = {file.path for file in with_open_quotes(spark, seen, SOURCE)}
    rows = read_files(spark, [file for file in seen if file.path not in aside and not file.damage], SOURCE, KEYS)
    assert rows is not None
    found: defaultdict[str, Counter[Row]] = defaultdict(Counter)
    for row in rows.collect():
        others = tuple(value for _, value in json.loads(row._rescued_data or "{}", object_pairs_hook=list))
        values = tuple(value or "" for value in (row.id, row.note, row["size"]))
        found[Path(row._source_file).name][row._corrupt_record or (values, tuple(filter(None, others)))] += 1

    wanted = {path: expected(text) for path, text in paths.items()}
    assert aside == {path for path, rows_of_file in wanted.items() if rows_of_file is None}
    for path, rows_of_file in wanted.items():
        assert rows_of_file is None or found[Path(path).name] == rows_of_file, paths[path]
    # Files of both ways of reading, of damaged rows, and files that are set aside were drawn.
    assert min(sum(file.by_line for file in seen), sum(not file.by_line for file in seen)) > 100
    assert len(aside) > 10
    assert sum(isinstance(row, str) for rows_of_file in found.values() for row in rows_of_file) > 50
