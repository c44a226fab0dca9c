"""Sail, which speaks Spark Connect without Java: seconds instead of a minute, for tests of pure functions.

It is not Spark: a frame is computed by another engine with other gaps (no streaming, parts of Delta Lake, wrapping
integers), so it only ever answers while somebody writes code. Spark decides.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from databricks_utils.errors import MissingTool
from databricks_utils.session.factory import open_remote

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def sail_version() -> str:
    """Return the version of the installed Sail.

    Raises:
        MissingTool: It is not installed.
    """
    try:
        return importlib.metadata.version("pysail")
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingTool(
            "Sail is not installed",
            hint="Install the extra: `databricks-shared-utilities[sail]`; a project's `make test-quick` does",
        ) from error


@contextlib.contextmanager
def sail_session(application_name: str = "tests") -> Iterator[SparkSession]:
    """Give a session on a Sail server inside this process, on a free loopback port.

    Raises:
        MissingTool: Sail or the client of Spark Connect is not installed.
    """
    sail_version()
    # It tells of every session it opens; what goes wrong reaches the test as an exception.
    os.environ.setdefault("RUST_LOG", "off")
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    host, port = server.listening_address or ("127.0.0.1", 0)
    try:
        session = open_remote(f"sc://{host}:{port}", application_name)
        yield session
        session.stop()
    finally:
        server.stop()
