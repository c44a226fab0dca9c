"""Where this process runs: on a Databricks runtime, or anywhere else. Nothing else asks the environment for that."""

from __future__ import annotations

import os
import re

#: Set by every Databricks runtime to its version, as in `17.3`, or `client.4.9` on serverless compute.
VARIABLE = "DATABRICKS_RUNTIME_VERSION"


def on_databricks() -> bool:
    """Return whether this process runs on a Databricks runtime, in a job or a notebook."""
    return VARIABLE in os.environ


def runtime_version() -> tuple[int, ...]:
    """Return major and minor version of the Databricks runtime; nothing elsewhere and on serverless compute."""
    return major_minor(os.environ.get(VARIABLE, ""))


def major_minor(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version; nothing where it begins with a word."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return tuple(map(int, found.groups())) if found else ()
