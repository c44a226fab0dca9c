"""Which library this is: its version, and a hash of its files that tells two contents of one version apart.

usage: python -m databricks_utils.identity [WHEEL …]

It imports nothing beside the standard library, so that it also runs from inside a wheel.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DISTRIBUTION = "databricks-shared-utilities"
PACKAGE = "databricks_utils"
#: Hexadecimal digits of a hash: two contents of one version share it once in millions of millions.
DIGITS = 12


def content_of(package: Path) -> str:
    """Return the hash of a package's files by name; compiled ones do not count.

    Args:
        package: Its folder.
    """
    found = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return _hash((path.relative_to(package).as_posix(), path.read_bytes()) for path in found)


def identity_of(wheel: Path) -> str:
    """Return version and content of a wheel of this library, as `library_identity` does.

    Raises:
        ValueError: The file is no such wheel.
    """
    begin = f"{PACKAGE}/"
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.startswith(begin) and not name.endswith("/")]
            content = _hash((name.removeprefix(begin), archive.read(name)) for name in names)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{wheel} is no wheel: {error}") from error
    if not names:
        raise ValueError(f"{wheel} holds no {PACKAGE}")
    return _said(wheel.name.split("-")[1], content)


def library_identity() -> str:
    """Return version and content of the library in use, for example `1.1.0 (content 3f2a91bc04de)`."""
    try:
        found = version(DISTRIBUTION)
    except PackageNotFoundError:
        found = "unknown"
    return _said(found, content_of(Path(__file__).parent))


def _said(found: str, content: str) -> str:
    return f"{found} (content {content})"


def _hash(files: Iterable[tuple[str, bytes]]) -> str:
    whole = hashlib.sha256()
    for name, content in sorted(files):
        whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()[:DIGITS]


def main(arguments: Sequence[str]) -> int:
    """Print the identity of each wheel that is named, or of the library in use."""
    for line in [identity_of(Path(name)) for name in arguments] or [library_identity()]:
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
