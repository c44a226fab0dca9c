"""Tests on Sail: what passes there, what is left to Spark and named, and a mark that has lost its reason."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

SUITE = """
    import pytest
    from databricks_utils.testing import assert_frame, frame

    def test_a_frame_is_computed(spark):
        doubled = frame(spark, "| id |\\n| 1 |", "id BIGINT").selectExpr("id * 2 AS id")
        assert_frame(doubled, "| id |\\n| 2 |")

    @pytest.mark.spark_only("Sail has no change data feed")
    def test_a_change_is_seen(spark):
        spark.sql("SELECT * FROM table_changes('nowhere', 0)").collect()
"""
STALE = """
    import pytest

    @pytest.mark.spark_only("Sail cannot count")
    def test_rows_are_counted(spark):
        assert spark.range(3).count() == 3
"""


def run_suite(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run tests on Sail in a process of their own, on a machine without Java."""
    (folder / "test_suite.py").write_text(textwrap.dedent(text), encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "JAVA_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "databricks_utils.testing.plugin", "--spark-mode", "sail", str(folder)],
        cwd=folder,
        env={**inherited, "PATH": "", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_sail_computes_frames_without_java_and_names_what_is_left_to_spark(tmp_path: Path) -> None:
    done = run_suite(tmp_path, SUITE)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 1 xfailed" in done.stdout
    assert "left to Spark" in done.stdout
    assert "test_suite.py::test_a_change_is_seen: Sail has no change data feed" in done.stdout


def test_a_test_left_to_spark_that_sail_passes_fails(tmp_path: Path) -> None:
    done = run_suite(tmp_path, STALE)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "[XPASS(strict)] Sail cannot count" in done.stdout


def test_a_test_left_to_spark_without_a_reason_is_refused(tmp_path: Path) -> None:
    done = run_suite(tmp_path, STALE.replace('("Sail cannot count")', ""))

    assert done.returncode == 4, done.stdout + done.stderr
    assert "say why it is left to Spark" in done.stderr
