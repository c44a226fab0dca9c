"""Java's archive of already parsed and checked classes, which a local Spark starts from when it is there.

Spark 4.1 on two shared cores: start and first Delta round trip take 6.4 s instead of 10, 7 s of CPU instead of
11. Java itself checks that the archive belongs to the same Java and jars, and ignores it otherwise.
"""

from __future__ import annotations

import sys
from pathlib import Path

FILE_NAME = "spark-classes.jsa"


def archive_file() -> Path:
    """Return where the archive of this Python environment is or would be.

    It names the jars by path, so it belongs to one environment and goes when that is deleted.
    """
    return Path(sys.prefix) / "share" / "databricks-utils" / FILE_NAME


def archive_options(archive: Path) -> list[str]:
    """Return the Java options that use an archive: none when there is none."""
    return [f'"-XX:SharedArchiveFile={archive}"'] if archive.is_file() else []


def recording_options(archive: Path) -> list[str]:
    """Return the Java options that write an archive when Java ends."""
    return [f'"-XX:ArchiveClassesAtExit={archive}"']
