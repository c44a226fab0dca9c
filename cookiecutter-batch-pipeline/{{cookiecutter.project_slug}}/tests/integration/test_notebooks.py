from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from databricks_utils.testing.notebooks import run_notebook
from pyspark.sql import SparkSession

NOTEBOOKS = sorted(path.name for path in (Path(__file__).parents[2] / "notebooks").iterdir())


@pytest.fixture
def playground(one_session: SparkSession) -> Iterator[SparkSession]:
    """Give the session, and take back afterwards what the notebooks make and set in it."""
    partitions = one_session.conf.get("spark.sql.shuffle.partitions")
    yield one_session
    one_session.conf.set("spark.sql.shuffle.partitions", str(partitions))
    one_session.sql("DROP SCHEMA IF EXISTS playground CASCADE")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_from_top_to_bottom(name: str, project_copy: Path, playground: SparkSession) -> None:
    output = run_notebook(project_copy / "notebooks" / name, playground)

    assert output.strip()
    if name.startswith("01"):
        files = (project_copy / "data" / "landing" / "transactions").glob("*.csv")
        lines = sum(len(path.read_text(encoding="utf-8").splitlines()) - 1 for path in files)
        assert f"{lines} rows, the same in both" in output
