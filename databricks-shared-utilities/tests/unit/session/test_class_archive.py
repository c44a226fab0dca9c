"""The archive of classes a local Spark starts from."""

from __future__ import annotations

import sys
from pathlib import Path

from databricks_utils.session.class_archive import archive_file, archive_options


def test_an_archive_is_used_only_where_there_is_one(tmp_path: Path) -> None:
    archive = tmp_path / "my folder" / "spark.jsa"
    before = archive_options(archive)
    archive.parent.mkdir()
    archive.write_bytes(b"")

    assert before == []
    assert archive_options(archive) == [f'"-XX:SharedArchiveFile={archive}"']


def test_the_archive_belongs_to_the_python_environment() -> None:
    assert archive_file().is_relative_to(sys.prefix)
