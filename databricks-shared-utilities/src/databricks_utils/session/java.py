"""The Java that Spark runs on: found, its version read, and refused with advice when it does not fit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from databricks_utils.errors import MissingTool

OLDEST_JAVA = 17
"""Spark 4 does not start on anything older; Spark 3.5 runs on it too."""

NEWEST_JAVA: Mapping[str, int] = {"3.5": 17, "4.0": 21, "4.1": 21}
"""Newest release each Spark series is documented for; its Hadoop fails on Java 24 and later."""

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_INSTALL = (
    "Install Java 17: `sudo apt-get install openjdk-17-jre-headless` (Debian, Ubuntu), "
    "`brew install openjdk@17` (macOS), `winget install EclipseAdoptium.Temurin.17.JDK` (Windows); "
    "or set JAVA_HOME to the folder of {wanted} that you already have"
)


@dataclass(frozen=True)
class Java:
    """One Java installation.

    Args:
        executable: Path of the `java` program.
        version: Feature release, as in 17 or 21.
    """

    executable: Path
    version: int

    @property
    def home(self) -> Path | None:
        """Return the folder JAVA_HOME must name to start this Java; None for a version manager's shim."""
        home = self.executable.resolve().parent.parent
        return home if (home / "bin" / self.executable.name).is_file() else None


def find_java(spark_series: str = "4.1", environ: Mapping[str, str] | None = None) -> Java:
    """Return the first Java of JAVA_HOME and PATH that the Spark series supports.

    Args:
        spark_series: `3.5`, `4.0` or `4.1`.
        environ: Environment to search; the process's own by default.

    Raises:
        MissingTool: No Java is installed, or only versions Spark does not run on.
    """
    newest = NEWEST_JAVA.get(spark_series, max(NEWEST_JAVA.values()))
    found = installed_java(os.environ if environ is None else environ)
    for java in found:
        if OLDEST_JAVA <= java.version <= newest:
            return java
    wanted = f"Java {OLDEST_JAVA}" + (f" to {newest}" if newest > OLDEST_JAVA else "")
    advice = _INSTALL.format(wanted=f"a {wanted}")
    if not found:
        raise MissingTool("Spark needs Java, and none is installed", where="JAVA_HOME, PATH", hint=advice)
    listed = ", ".join(f"Java {java.version} at {java.executable}" for java in found)
    raise MissingTool(
        f"Spark {spark_series} runs on {wanted}, which is not installed",
        where=listed,
        hint=advice,
    )


def installed_java(environ: Mapping[str, str]) -> list[Java]:
    """Return the working Java installations of JAVA_HOME and PATH, in that order."""
    candidates = [_in_home(environ.get("JAVA_HOME")), shutil.which("java", path=environ.get("PATH", ""))]
    found: dict[Path, Java] = {}
    for candidate in candidates:
        if candidate and Path(candidate).resolve() not in found:
            version = _version(candidate)
            if version:
                found[Path(candidate).resolve()] = Java(Path(candidate), version)
    return list(found.values())


def _in_home(home: str | None) -> str | None:
    return shutil.which("java", path=str(Path(home) / "bin")) if home else None


def _version(executable: str) -> int | None:
    """Return the feature release, or None where the file is no working Java."""
    command = [executable, "-version"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stderr + answer.stdout)
    return int(match.group(1)) if match else None
