"""Checks of Spark: its packages, its Java, its jars and the variables that disturb it."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Mapping
from pathlib import Path

from databricks_utils.doctor.check import Check
from databricks_utils.errors import LakehouseError
from databricks_utils.session.installation import installed_spark
from databricks_utils.session.jars import read_lock, resolve_jars
from databricks_utils.session.java import find_java

_DISTURBING = {
    "SPARK_REMOTE": "Unset it: pyspark would not start a local Spark",
    "PYSPARK_SUBMIT_ARGS": "Unset it: its options would win over the configuration's",
}


def check_spark() -> Check:
    """Check that pyspark is installed in a series there are locked jars for."""
    try:
        spark = installed_spark()
    except LakehouseError as error:
        return _failed("Spark", error)
    known = sorted(read_lock())
    advice = f"Install a supported series of pyspark: {', '.join(known)}"
    return Check("Spark", spark.series in known, f"pyspark {spark.version}", advice)


def check_java() -> Check:
    """Check that there is a Java the installed Spark runs on."""
    try:
        java = find_java(installed_spark().series)
    except LakehouseError as error:
        return _failed("Java", error)
    return Check("Java", True, f"{java.version} at {java.executable}")


def check_jars(folder: Path | None = None) -> Check:
    """Check the jars of Delta Lake; those that are absent are downloaded, so that later runs work offline."""
    try:
        jars = resolve_jars(folder)
    except LakehouseError as error:
        return _failed("Jars", error)
    return Check("Jars", True, f"{len(jars)} verified in {jars[0].parent}")


def check_pandas() -> Check:
    """Check that pandas, if installed, is one pyspark's test functions can import."""
    try:
        version = importlib.metadata.version("pandas")
    except importlib.metadata.PackageNotFoundError:
        return Check("pandas", True, "not installed, not needed to run")
    ok = int(version.split(".")[0]) < 3
    return Check("pandas", ok, version, "Install `pandas<3`: pyspark 4.1 and earlier cannot import pandas 3")


def check_variables(environ: Mapping[str, str] | None = None) -> Check:
    """Check that no environment variable redirects Spark."""
    environ = os.environ if environ is None else environ
    found = [name for name in _DISTURBING if environ.get(name)]
    advice = "; ".join(f"{name}: {_DISTURBING[name]}" for name in found)
    return Check("Variables", not found, ", ".join(found) or "none that disturb Spark", advice)


def _failed(name: str, error: LakehouseError) -> Check:
    found = f"{error.message} ({error.where})" if error.where else error.message
    return Check(name, False, found, error.hint or "")
