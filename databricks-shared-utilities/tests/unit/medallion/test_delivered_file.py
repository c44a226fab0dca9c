"""What is wrong with a file as a whole is found before it is read, and said with its name."""

from __future__ import annotations

import bz2
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from databricks_utils.medallion import Files
from databricks_utils.medallion.damage import BatchNote, DamagedFile, RemarkedFile, read_note
from databricks_utils.medallion.delivered_file import DeliveredFile, examined, local_path, unseen_names

TEXT = b"order_id,amount\n" + b"1,5.00\n" * 5_000
KEYS = {"order_id": "order_id", "amount": "amount (EUR)"}
HEADER = b"order_id,Amount (EUR) \n"


def broken(content: bytes) -> bytes:
    """Change some bytes in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes(255 - byte for byte in content[middle : middle + 8]) + content[middle + 8 :]


def looked_at(folder: Path, name: str, content: bytes, **source: object) -> DeliveredFile:
    path = folder / name
    path.write_bytes(content)
    source.setdefault("format", "json" if ".json" in name else "csv")
    return examined(f"file:{path}", Files("orders", **source), KEYS)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cut.csv.gz", gzip.compress(TEXT, mtime=0)[:-30], "ends in the middle"),
        ("broken.csv.gz", broken(gzip.compress(TEXT, mtime=0)), "is broken"),
        ("plain.csv.gz", TEXT, "is broken"),
        ("cut.csv.bz2", bz2.compress(TEXT)[:-30], "ends in the middle"),
        ("plain.csv.bz2", TEXT, "is broken"),
        ("wide.csv", TEXT.decode().encode("utf-16"), "no UTF-8 text"),
        ("wide.jsonl", b'{"order_id":1}\n'.decode().encode("utf-16"), "no UTF-8 text"),
        ("10:30.csv", TEXT, "colon"),
        ("orders.csv.zst", TEXT, "compressed as .zst"),
        ("orders.CSV.GZ", gzip.compress(TEXT, mtime=0), "no UTF-8 text"),
        ("semicolons.csv", b"order_id;amount (EUR)\n1;2\n", "0 of 2 columns found in its header; delimiter ';'?"),
        ("tabs.csv", b"\xef\xbb\xbforder_id\tother\n1\t2\n", r"0 of 2 columns found in its header; delimiter '\t'?"),
        ("without header.csv", b"1,5.00\n2,5.00\n", "0 of 2 columns found in its header"),
        ("title.csv", b"\n\nOrders of May\norder_id,amount (EUR)\n", "0 of 2 columns found in its header"),
        ("endless.csv", b'order_id,"' + b"x" * 200_000, "its header cannot be read"),
    ],
)
def test_damage_is_found_and_named(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    found = looked_at(tmp_path, name, content)

    assert reason in (found.damage or "")
    assert str(DamagedFile(found.path, found.damage or "")).startswith(f"{name} was set aside: ")


@pytest.mark.parametrize(
    ("name", "content", "remark"),
    [
        ("lacks.csv", b"order_id\n1\n", "1 of 2 columns found in its header, not amount (EUR)"),
        ("half.csv", b"order_id,x;order_id;amount (EUR)\n", "1 of 2 columns found in its header, not amount (EUR)"),
        ("latin.csv", HEADER + b"1,K\xf6ln\n", "from line 2 on it holds text that is no UTF-8"),
        ("latin.jsonl", b'{"order_id":1}\n\n{"order_id":"K\xf6ln"}\n', "from line 3 on it holds text that is no UTF-8"),
        (
            "array.jsonl",
            b'[{"order_id":1},\n{"order_id":2}]\n',
            "no JSON object, and one object a line was expected (is",
        ),
        ("pretty.jsonl", b'{\n "order_id": 1\n}\n', "no JSON object, and one object a line was expected"),
        ("others.jsonl", b'{"id":1}\n', "0 of 2 columns found in its first object"),
    ],
)
def test_what_is_odd_about_a_file_is_remarked(tmp_path: Path, name: str, content: bytes, remark: str) -> None:
    found = looked_at(tmp_path, name, content)

    assert found.damage is None
    assert remark in (found.remark or "")


@pytest.mark.parametrize(
    ("name", "pack"), [("whole.csv.gz", gzip.compress), ("whole.csv.bz2", bz2.compress), ("whole.csv", bytes)]
)
def test_sound_files_have_their_header_and_no_remark(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    found = looked_at(tmp_path, name, pack(b"\xef\xbb\xbf \n\r\n" + HEADER + b"1,5.00\n" * 5000))

    assert found == DeliveredFile(found.path, ("order_id", "Amount (EUR)"))


@pytest.mark.parametrize(
    ("text", "by_line"),
    [
        ("1,2\n3,4", True),
        ('"1","2"\r\n"a,""b""",""\n', True),
        ('1,"a\nb"\n', False),
        ('1,"a\r\nb"\n', False),
        ('1,5" nail\n', False),
        ('1,"un\n', False),
        ('"1" ,2\n', False),
        ('1,5","x\ny",6"\n', False),
        ('"a""",1\n"""b\n""",2\n', False),
    ],
)
def test_a_file_is_read_by_line_where_its_rows_are_lines_beyond_doubt(tmp_path: Path, text: str, by_line: bool) -> None:
    found = looked_at(tmp_path, "rows.csv", HEADER + text.encode())

    assert found.by_line == by_line


def test_a_row_of_nothing_but_tabs_is_none_for_the_reader_of_lines(tmp_path: Path) -> None:
    tabs = HEADER.replace(b",", b"\t")

    assert not looked_at(tmp_path, "tabs.csv", tabs + b"1\t2\n\t\n", delimiter="\t").by_line
    assert looked_at(tmp_path, "tabs.csv", tabs + b"1\t2\n\n", delimiter="\t").by_line


def test_quotes_beside_a_delimiter_of_several_bytes_are_not_looked_for(tmp_path: Path) -> None:
    euros = HEADER.replace(b",", "€".encode())

    assert not looked_at(tmp_path, "quoted.csv", euros + '"1"€2\n'.encode(), delimiter="€").by_line
    assert looked_at(tmp_path, "plain.csv", euros + "1€2\n".encode(), delimiter="€").by_line


def test_a_file_that_ends_in_zeros_far_behind_its_begin_was_not_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("databricks_utils.medallion.delivered_file.BLOCK_BYTES", 8)

    crashed = looked_at(tmp_path, "crashed.csv", HEADER + b"1,5.00\n2,12" + bytes(20))
    objects = looked_at(tmp_path, "objects.jsonl", b'{"order_id":1}\n{"order_id":\0}\n')

    assert crashed.damage == "it has bytes of zero from line 3 on, as after a crash"
    assert objects.damage is None  # that line alone is damaged


def test_names_that_no_listing_of_spark_has_are_found(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    for name in (b"caf\xe9.csv", b"caf\xe9.txt", b"_caf\xe9.csv", "größe.csv".encode(), b"plain.csv"):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(TEXT)
    Path(os.fsdecode(folder + b"/\xfcbung")).mkdir()

    found = sorted(unseen_names(str(tmp_path), "*.csv"))

    assert found == [f"{tmp_path}/\\xfcbung", f"{tmp_path}/caf\\xe9.csv"]


def test_empty_files_are_neither_damaged_nor_odd(tmp_path: Path) -> None:
    for name in ("a.csv", "b.jsonl"):
        found = looked_at(tmp_path, name, b"\n \r\n")
        assert found == DeliveredFile(found.path)


def test_a_file_that_is_gone_is_named_with_blanks_and_all(tmp_path: Path) -> None:
    found = examined(f"file:{tmp_path}/a b.csv", Files("orders"), KEYS)

    assert str(DamagedFile(found.path, found.damage or "")) == (
        "a b.csv was set aside: it was gone before it could be read. Have it delivered again under a new name"
    )


def test_what_lies_elsewhere_is_left_to_spark() -> None:
    path = "abfss://c@a.dfs.core.windows.net/x.csv.gz"

    assert examined(path, Files("orders"), KEYS) == DeliveredFile(path, by_line=False)
    assert local_path("dbfs:/Volumes/main/landing/x.csv") == Path("/Volumes/main/landing/x.csv")


def test_the_note_of_a_commit_brings_the_files_back() -> None:
    files = (DamagedFile("file:///landing/a.csv.gz", 'it says "cut"'), DamagedFile("file:///landing/ü.csv", "gone"))
    note = BatchNote(files, (RemarkedFile("file:///landing/b.csv", "1 of 2 columns found"),))

    assert read_note(note.text()) == note
    assert BatchNote().text() is None
    assert read_note(None) == read_note('{"read": {"bronze.orders": 4}}') == BatchNote()
