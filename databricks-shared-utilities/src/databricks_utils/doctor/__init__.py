"""Health checks of the machine a project runs on and of its workspace: findings with advice, never an exception."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from databricks_utils.doctor.check import Check, render_checks
from databricks_utils.doctor.machine import (
    check_disk,
    check_lightgbm,
    check_loopback,
    check_python,
    check_tool,
    check_writable,
)
from databricks_utils.doctor.spark import check_jars, check_java, check_pandas, check_spark, check_variables
from databricks_utils.doctor.workspace import examine_workspace
from databricks_utils.session.jars import CACHE_VARIABLE, cache_folder

__all__ = ["Check", "examine", "examine_workspace", "render_checks"]


def examine(folder: Path) -> list[Check]:
    """Return the findings about this machine; jars that are absent are downloaded.

    Args:
        folder: The project's folder.
    """
    return [
        check_python(),
        check_tool("uv"),
        check_tool("git"),
        check_spark(),
        check_java(),
        check_pandas(),
        *([check_lightgbm()] if importlib.util.find_spec("lightgbm") else []),
        check_variables(),
        check_disk(folder),
        check_writable("Project folder", folder, "Take ownership of the folder, or move the project"),
        check_writable("Jar folder", cache_folder(), f"Set {CACHE_VARIABLE} to a folder you may write to"),
        check_jars(),
        check_loopback(),
    ]
