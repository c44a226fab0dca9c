"""The jars Spark needs beyond those pyspark ships: locked by hash, downloaded once, then kept."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from databricks_utils.errors import InvalidInput, MissingTool
from databricks_utils.session.installation import SparkInstallation, installed_spark
from databricks_utils.session.ivy import MIRROR_VARIABLE, download, file_name
from databricks_utils.session.java import find_java

CACHE_VARIABLE = "DATABRICKS_UTILS_CACHE"
"""Names the folder to keep jars in instead of the user's cache folder."""

DELTA = ("delta",)
"""The group of jars that every local Spark is given."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LockedJar:
    """One jar, pinned by content.

    Args:
        coordinate: Maven coordinate, `group:artifact:version`.
        sha256: Hash of the file, 64 hexadecimal digits.
    """

    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Return the name of the file, `artifact-version.jar`."""
        return file_name(self.coordinate)


def locked_jars(series: str, group: str = "delta") -> tuple[LockedJar, ...]:
    """Return the locked jars of a Spark series.

    Args:
        series: `3.5`, `4.0` or `4.1`.
        group: `delta`; `connect` for what a Connect server needs besides; `kafka` for the connector; `broker`.

    Raises:
        InvalidInput: The lock holds nothing for the series.
    """
    lock = read_lock()
    if series not in lock:
        raise InvalidInput(
            f"There are no locked jars for Spark {series}",
            where="jars.lock.json",
            hint=f"Install one of the supported series: pyspark {', '.join(sorted(lock))}",
        )
    return tuple(LockedJar(entry["coordinate"], entry["sha256"]) for entry in lock[series].get(group, []))


def read_lock() -> Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]]:
    """Return the lock file's content: series, group, list of coordinate and sha256."""
    text = resources.files(__package__).joinpath("jars.lock.json").read_text(encoding="utf-8")
    lock: Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]] = json.loads(text)
    return lock


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder that keeps the jars, shared by all projects of a user."""
    environ = os.environ if environ is None else environ
    named = environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser() / "jars"
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "databricks-utils" / "jars"


def resolve_jars(
    folder: Path | None = None, *, group: str = "delta", spark: SparkInstallation | None = None
) -> list[Path]:
    """Return the verified local paths of the locked jars; download those that are absent or damaged.

    Several processes may call this at once: each file appears by an atomic rename of a verified copy.

    Args:
        folder: Where to keep them; `cache_folder()` by default.
        group: As in `locked_jars`.
        spark: The Spark to resolve for; the installed one by default.

    Raises:
        MissingTool: A jar must be downloaded and cannot be, or its content is not what was locked.
        InvalidInput: The installed Spark series is not supported.
    """
    spark = spark or installed_spark()
    folder = folder or cache_folder()
    locked = locked_jars(spark.series, group)
    absent = [jar for jar in locked if not _is_intact(folder / jar.file_name, jar)]
    if absent:
        _fetch(absent, folder, spark)
    return [folder / jar.file_name for jar in locked]


def resolve_groups(groups: Sequence[str], spark: SparkInstallation) -> list[Path]:
    """Return the paths of several groups of jars; arguments and errors as in `resolve_jars`."""
    return [path for group in groups for path in resolve_jars(group=group, spark=spark)]


def sha256_of(path: Path) -> str:
    """Return the hash of a file's content as 64 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_intact(path: Path, jar: LockedJar) -> bool:
    if not path.is_file():
        return False
    if sha256_of(path) == jar.sha256:
        return True
    _logger.warning("%s is damaged and is downloaded again", path)
    return False


def _fetch(jars: Sequence[LockedJar], folder: Path, spark: SparkInstallation) -> None:
    java = find_java(spark.series)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = tempfile.TemporaryDirectory(prefix=".download-", dir=folder)
    except OSError as error:
        raise MissingTool(
            f"The folder for jars cannot be written: {error.strerror}",
            where=str(folder),
            hint=f"Set {CACHE_VARIABLE} to a folder you may write to",
        ) from error
    with staging as name:
        coordinates = [jar.coordinate for jar in jars]
        paths = download(coordinates, Path(name), java=java.executable, spark_jars=spark.jars)
        for jar, path in zip(jars, paths, strict=True):
            _verify(jar, path)
            path.replace(folder / jar.file_name)


def _verify(jar: LockedJar, path: Path) -> None:
    actual = sha256_of(path)
    if actual != jar.sha256:
        raise MissingTool(
            f"The downloaded {jar.file_name} is not the locked one: sha256 {actual}, expected {jar.sha256}",
            where=jar.coordinate,
            hint=f"The file was not kept; check the mirror in {MIRROR_VARIABLE}, if any, and try again",
        )
