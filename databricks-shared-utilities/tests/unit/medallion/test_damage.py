"""A file that cannot be read to its end is told from one that merely could not be opened."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from databricks_utils.medallion.damage import DamagedFile, damaged_files, from_note, noted

TEXT = b"order_id,amount\n" + b"1,5.00\n" * 5_000


def broken(content: bytes) -> bytes:
    """Change some bytes in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes(255 - byte for byte in content[middle : middle + 8]) + content[middle + 8 :]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cut.csv.gz", gzip.compress(TEXT, mtime=0)[:-30], "ends in the middle"),
        ("broken.csv.gz", broken(gzip.compress(TEXT, mtime=0)), "is broken"),
        ("plain.csv.gz", TEXT, "is broken"),
        ("cut.csv.bz2", bz2.compress(TEXT)[:-30], "ends in the middle"),
        ("plain.csv.bz2", TEXT, "is broken"),
        ("wide.csv", TEXT.decode().encode("utf-16"), "no UTF-8 text"),
    ],
    ids=["cut gzip", "broken gzip", "plain gzip", "cut bzip2", "plain bzip2", "utf-16"],
)
def test_damage_is_found_and_named(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    (found,) = damaged_files([f"file:{path}"])

    assert found.path == f"file:{path}"
    assert reason in found.reason
    assert str(found).startswith(f"{name} was set aside: ")


@pytest.mark.parametrize(
    ("name", "pack"), [("whole.csv.gz", gzip.compress), ("whole.csv.bz2", bz2.compress), ("whole.csv", bytes)]
)
def test_whole_files_are_not_damaged(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / name).write_bytes(pack(TEXT))

    assert damaged_files([f"file:{tmp_path / name}"]) == ()


def test_a_file_that_is_gone_is_named_with_blanks_and_all(tmp_path: Path) -> None:
    (found,) = damaged_files([f"file:{tmp_path}/a b.csv"])

    assert str(found) == (
        "a b.csv was set aside: it was gone before it could be read. Have it delivered again under a new name"
    )


def test_what_cannot_be_opened_or_examined_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()

    assert damaged_files([f"file:{tmp_path}/folder.csv", "abfss://c@a.dfs.core.windows.net/x.csv.gz"]) == ()


def test_the_note_of_a_commit_brings_the_files_back() -> None:
    files = (DamagedFile("file:///landing/a.csv.gz", 'it says "cut"'), DamagedFile("file:///landing/ü.csv", "gone"))

    assert from_note(noted(files)) == files
    assert noted(()) is None
    assert from_note(None) == from_note('{"read": {"bronze.orders": 4}}') == ()
