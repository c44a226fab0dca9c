from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from databricks_utils.testing.notebooks import run_notebook
from pyspark.sql import SparkSession

NOTEBOOKS = sorted(path.name for path in (Path(__file__).parents[2] / "notebooks").iterdir())


@pytest.fixture
def playground(one_session: SparkSession) -> Iterator[SparkSession]:
    """Give the session, and drop afterwards what the notebooks make in it."""
    yield one_session
    one_session.sql("DROP SCHEMA IF EXISTS playground CASCADE")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_from_top_to_bottom(
    name: str, project_copy: Path, playground: SparkSession, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {key: playground.conf.get(key) for key in ("spark.sql.shuffle.partitions", "spark.sql.ansi.enabled")}

    output = run_notebook(project_copy / "notebooks" / name, playground)

    assert output.strip()
    assert {key: playground.conf.get(key) for key in before} == before


def test_the_first_notebook_reads_all_lines_of_the_sample(project_copy: Path, playground: SparkSession) -> None:
    lines = sum(
        len(path.read_text(encoding="utf-8").splitlines()) - 1
        for path in (project_copy / "data" / "landing" / "transactions").glob("*.csv")
    )

    output = run_notebook(project_copy / "notebooks" / "01_read_transform_write.py", playground)

    assert f"{lines} rows, the same in both" in output
