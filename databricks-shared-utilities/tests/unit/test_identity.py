"""Two contents of one version are told apart, wherever they are: in a folder, in a wheel, installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from databricks_utils.identity import content_of, identity_of, library_identity

NAMES = st.text("abcz_", min_size=1, max_size=4).map(lambda name: f"{name}.py")
FILES = st.dictionaries(NAMES, st.binary(max_size=8), min_size=1, max_size=4)


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"databricks_utils/{name}", content)
        archive.writestr("databricks_shared_utilities-2.0.0.dist-info/RECORD", "whatever")
    return path


def laid_out(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@given(one=FILES, other=FILES)
def test_contents_are_equal_exactly_where_names_and_bytes_are(
    one: dict[str, bytes], other: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("contents")

    first, second = content_of(laid_out(folder / "a", one)), content_of(laid_out(folder / "b", other))

    assert (first == second) is (one == other)


def test_a_wheel_is_known_as_the_folder_it_was_made_from(tmp_path: Path) -> None:
    files = {"__init__.py": b"", "delta/merge.py": b"x = 1\n"}
    folder = laid_out(tmp_path / "package", {**files, "__pycache__/merge.pyc": b"compiled"})
    wheel = packed(tmp_path / "databricks_shared_utilities-2.0.0-py3-none-any.whl", files)

    assert identity_of(wheel) == f"2.0.0 (content {content_of(folder)})"


@pytest.mark.parametrize("content", [b"no archive", None])
def test_what_is_no_wheel_of_the_library_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "other-1.0-py3-none-any.whl"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("other/__init__.py", "")
    else:
        path.write_bytes(content)

    with pytest.raises(ValueError, match=r"is no wheel|holds no databricks_utils"):
        identity_of(path)


def test_the_library_in_use_says_itself_what_it_is() -> None:
    command = [sys.executable, "-m", "databricks_utils.identity"]

    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"{library_identity()}\n"
