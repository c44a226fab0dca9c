"""The pyspark that is installed: its version, its series and the folder that holds its jars."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from databricks_utils.errors import MissingTool


@dataclass(frozen=True)
class SparkInstallation:
    """The installed pyspark package.

    Args:
        version: Full version, as in `4.1.4`.
        home: Folder of the package; a valid SPARK_HOME.
    """

    version: str
    home: Path

    @property
    def series(self) -> str:
        """Return major and minor version, as in `4.1`."""
        return ".".join(self.version.split(".")[:2])

    @property
    def jars(self) -> Path:
        """Return the folder of the jars that pyspark ships."""
        return self.home / "jars"


def installed_spark() -> SparkInstallation:
    """Return the pyspark of this Python, without importing it.

    Raises:
        MissingTool: pyspark is not installed as a package, or without its jars (as in databricks-connect).
    """
    spec = importlib.util.find_spec("pyspark")
    if spec is None or not spec.origin:
        raise MissingTool(
            "pyspark is not installed",
            hint="Install the local extra: `uv sync --extra local`, or pyspark itself",
        )
    home = Path(spec.origin).parent
    if not (home / "jars").is_dir():
        raise MissingTool(
            "The installed pyspark has no jars and cannot start a local Spark",
            where=str(home),
            hint="databricks-connect replaces pyspark; use an environment of its own for local runs",
        )
    try:
        return SparkInstallation(importlib.metadata.version("pyspark"), home)
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingTool(
            "pyspark was found, but not as an installed package that tells its version",
            where=str(home),
            hint="Take its folder off PYTHONPATH, and install the local extra: `uv sync --extra local`",
        ) from error
