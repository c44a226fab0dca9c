"""A delivered file as this process finds it: how Spark should read it, and what is wrong with it as a whole.

Each file is read once here, about as fast as the disk gives it, and once by Spark. A row that cannot be read is found
when it is read; what makes all rows of a file worthless is found here, and said once for the file.
"""

from __future__ import annotations

import bz2
import csv
import fnmatch
import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote

import numpy as np

from databricks_utils.medallion.pipeline import Files

#: Read at once, and then to the end of the line.
BLOCK_BYTES = 1 << 22
#: What Spark's readers of lines take for blank.
BLANK = "".join(map(chr, range(33)))
DELIMITERS = (",", ";", "\t", "|")
#: What Spark opens by a file's name and this process cannot.
UNREAD = (".deflate", ".lz4", ".snappy", ".zst")
NO_TEXT = "it is no UTF-8 text, perhaps UTF-16 or no text at all"
_BLANK_BYTES = rb"[\x01-\x09\x0b\x0c\x0e-\x20]*"


@dataclass(frozen=True)
class DeliveredFile:
    """A file of a batch.

    Args:
        path: The file, as Spark names it.
        header: Names in the header of a CSV file, without blanks around them; empty for a file without rows, and for
            JSON.
        by_line: Whether every row of a CSV file is a line of it.
        damage: Why nothing of it can be taken in, or None.
        remark: What people should know about it although it is taken in, or None.
    """

    path: str
    header: tuple[str, ...] = ()
    by_line: bool = True
    damage: str | None = None
    remark: str | None = None


def examined(path: str, source: Files, keys: Mapping[str, str]) -> DeliveredFile:
    """Look at a file.

    Args:
        path: The file, as Spark names it.
        source: Says how it should be written.
        keys: The names that the table's columns expect in a header or in objects.

    Raises:
        OSError: This process may not read it, or the disk gives an error.
    """
    local = local_path(path)
    if local is None:
        return DeliveredFile(path, by_line=False)
    if ":" in local.name:
        return DeliveredFile(path, damage="its name has a colon, with which Spark cannot open it")
    if local.suffix in UNREAD:
        return DeliveredFile(path, damage=f"files compressed as {local.suffix} are not read; .gz and .bz2 are")
    look = _csv if source.format == "csv" else _json
    try:
        return look(path, local, source, keys)
    except FileNotFoundError:
        return DeliveredFile(path, damage="it was gone before it could be read")
    except EOFError:
        return DeliveredFile(path, damage="its compressed content ends in the middle")
    except (gzip.BadGzipFile, zlib.error, ValueError) as error:
        return DeliveredFile(path, damage=f"its compressed content is broken ({error})")
    except OSError as error:
        if error.errno is not None:
            raise
        # bz2 has no error of its own; an error of the system has a number.
        return DeliveredFile(path, damage=f"its compressed content is broken ({error})")


def unseen_names(folder: str, glob: str) -> Iterator[str]:
    """Yield files and folders below a folder whose names are no UTF-8, as readable paths: no listing of Spark has them.

    Args:
        folder: Where files are delivered. Names of object stores are UTF-8, so that volumes are not listed for this.
        glob: Which names of files count.
    """
    if folder.startswith(("dbfs:", "/Volumes/")):
        return
    for place, folders, files in os.walk(folder):
        # Spark passes over what is hidden, too.
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        for name in (*folders, *(name for name in files if _counts(name, glob))):
            if (readable := os.fsencode(name).decode(errors="backslashreplace")) != name:
                yield f"{place}/{readable}"


def _counts(name: str, glob: str) -> bool:
    # Alternatives in braces are no pattern of Python's; the name is told rather than passed over.
    return not name.startswith((".", "_")) and ("{" in glob or fnmatch.fnmatchcase(name, glob))


def local_path(path: str) -> Path | None:
    """Return where this process finds a file that Spark names; None where it is not in its file system.

    A stream names a file as it is; `_metadata.file_path` writes blanks and signs of it as %20 and the like. Databricks
    shows volumes to processes under the path that follows their scheme.
    """
    path = path.removeprefix("dbfs:") if path.startswith("dbfs:/Volumes/") else path
    found = re.fullmatch(r"(?:file:/+)?/*(.*)", path, re.DOTALL)
    if found is None or (re.match(r"[a-z][a-z0-9+.-]+:/", path) and not path.startswith("file:")):
        return None
    plain = Path("/", found[1])
    decoded = Path(unquote(str(plain)))
    return decoded if not plain.exists() and decoded.exists() else plain


def _csv(path: str, local: Path, source: Files, keys: Mapping[str, str]) -> DeliveredFile:
    text = _Text(zeros=False)
    delimiter, by_line = source.delimiter, True
    with _opened(local) as file:
        for block in _blocks(file):
            if not text.takes(block):
                return DeliveredFile(path, damage=text.refusal)
            by_line = by_line and _rows_are_lines(block, delimiter)
    try:
        header = _header(local, delimiter)
        missing = _missing(header, keys)
        guess = _guess(local, delimiter, keys, len(missing)) if header and missing else ""
    except csv.Error as error:
        return DeliveredFile(path, damage=f"its header cannot be read ({error})")
    found = f"{len(keys) - len(missing)} of {len(keys)} columns found in its header"
    if header and len(missing) == len(keys):
        return DeliveredFile(path, damage=found + guess)
    lacking = f"{found}, not {', '.join(missing)}{guess}" if header and missing else None
    return DeliveredFile(path, header, by_line, remark=_joined(lacking, text.remark))


def _json(path: str, local: Path, source: Files, keys: Mapping[str, str]) -> DeliveredFile:
    text, first = _Text(), b""
    with _opened(local) as file:
        for block in _blocks(file):
            if not text.takes(block):
                return DeliveredFile(path, damage=text.refusal)
            first = first or next((line for line in block.splitlines() if line.strip()), b"")
    return DeliveredFile(path, remark=_joined(_about_object(first, keys), text.remark))


def _about_object(line: bytes, keys: Mapping[str, str]) -> str | None:
    """Say what is odd about the first object of a file."""
    if not line:
        return None
    try:
        first = json.loads(line.decode("utf-8-sig", errors="replace"), parse_int=str)
    except (ValueError, RecursionError):
        first = None
    if not isinstance(first, dict):
        array = " (is it all one array?)" if line.lstrip().startswith(b"[") else ""
        return f"its first line is no JSON object, and one object a line was expected{array}"
    nothing = len(_missing(first, keys)) == len(keys)
    return f"0 of {len(keys)} columns found in its first object" if nothing else None


class _Text:
    """Looks whether blocks of a file are text, and remembers the first line that is none.

    Args:
        zeros: Whether bytes of zero further on are some row's fault, as in JSON, which has none. In CSV they are what a
            disk leaves of a file that was not written to its end, and a number before them would be taken for whole.
    """

    def __init__(self, *, zeros: bool = True) -> None:
        self.lines = 0
        self.first = True
        self.remark: str | None = None
        self.refusal: str | None = None
        self._zeros = zeros

    def takes(self, block: bytes) -> bool:
        """Look at the next block; false, with the refusal, for one of what is no text or was not written whole."""
        place = block.find(b"\x00") if self.first or not self._zeros else -1
        if place >= 0:
            line = self.lines + block.count(b"\n", 0, place) + 1
            self.refusal = NO_TEXT if self.first else f"it has bytes of zero from line {line} on, as after a crash"
            return False
        self.first = False
        if self.remark is None:
            try:
                block.decode()
            except UnicodeDecodeError as error:
                line = self.lines + block.count(b"\n", 0, error.start) + 1
                self.remark = f"from line {line} on it holds text that is no UTF-8 (perhaps windows-1252)"
        self.lines += block.count(b"\n")
        return True


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Read a file in pieces of whole lines."""
    while block := file.read(BLOCK_BYTES):
        yield block if block.endswith(b"\n") else block + file.readline()


def _rows_are_lines(block: bytes, delimiter: str) -> bool:
    """Say whether every row in whole lines of CSV is one of them, beyond doubt.

    That is so where quotes stand only where RFC 4180 has them, and none is open at the end of a line. A line of
    delimiters that are blanks counts as a row, which the reader of lines would pass over.
    """
    sign = re.escape(delimiter.encode())
    if delimiter in BLANK and re.search(rb"(?m)^" + _BLANK_BYTES + sign + _BLANK_BYTES + rb"\r?$", block):
        return False
    if b'"' not in block:
        return True
    if not delimiter.isascii():
        return False  # it is several bytes, and quotes are looked for beside one
    letters = np.frombuffer(b"\n" + block + b"\n", dtype=np.uint8)
    quotes = letters == ord('"')
    places = np.flatnonzero(quotes)
    beside = np.zeros(256, dtype=bool)
    beside[[*b'"\r\n', ord(delimiter)]] = True
    opening, closing = places[::2], places[1::2]
    if len(opening) != len(closing) or not (beside[letters[opening - 1]].all() and beside[letters[closing + 1]].all()):
        return False
    ends = (letters == ord("\n")) | (letters == ord("\r"))
    return not bool((np.logical_xor.accumulate(quotes) & ends).any())


def _header(local: Path, delimiter: str) -> tuple[str, ...]:
    """Return the names in the first record that is not blank."""
    return tuple(name.strip().strip("\ufeff") for name in _first_record(local, delimiter))


def _first_record(local: Path, delimiter: str) -> list[str]:
    with io.TextIOWrapper(_opened(local), encoding="utf-8-sig", errors="replace", newline="") as file:
        for record in csv.reader(file, delimiter=delimiter):
            if len(record) > 1 or any(field.strip(BLANK) for field in record):
                return record
    return []


def _missing(header: Iterable[str], keys: Mapping[str, str]) -> list[str]:
    names = {name.strip().strip("\ufeff").lower() for name in header}
    return [key for key in keys.values() if key.strip().lower() not in names]


def _guess(local: Path, delimiter: str, keys: Mapping[str, str], missing: int) -> str:
    """Return which delimiter a header seems to have, if fewer columns are missing with it."""
    others = (other for other in DELIMITERS if other != delimiter)
    fitting = (other for other in others if len(_missing(_first_record(local, other), keys)) < missing)
    return next((f"; delimiter {other!r}?" for other in fitting), "")


def _joined(*parts: str | None) -> str | None:
    return "; ".join(part for part in parts if part) or None


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")  # type: ignore[return-value]  # it is one in all that is used here
    if path.suffix == ".bz2":
        return bz2.open(path, "rb")
    return path.open("rb")
