"""The pyspark that a local session would start."""

from __future__ import annotations

import importlib.metadata

import pytest

from databricks_utils.errors import MissingTool
from databricks_utils.session import settings
from databricks_utils.session.installation import installed_spark

PACKAGE = "org.apache.spark.sql.execution.streaming"


def raise_not_found(name: str) -> str:
    raise importlib.metadata.PackageNotFoundError(name)


def test_a_pyspark_that_is_only_on_the_path_is_none_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", raise_not_found)

    with pytest.raises(MissingTool, match="not as an installed package") as error:
        installed_spark()

    assert "PYTHONPATH" in str(error.value.hint)


@pytest.mark.parametrize(
    ("version", "package"),
    [("3.5.9", PACKAGE), ("4.0.2", PACKAGE), ("4.1.4", f"{PACKAGE}.checkpointing"), (None, f"{PACKAGE}.checkpointing")],
)
def test_the_class_that_writes_checkpoints_is_looked_for_where_each_spark_has_it(
    version: str | None, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", raise_not_found if version is None else lambda _: version)

    assert settings._file_manager("FileSystem") == f"{package}.FileSystemBasedCheckpointFileManager"
