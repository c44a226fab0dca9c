"""The plugin's options for Spark's settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from databricks_utils.session.settings import UNTUNED, LocalSpark, local_settings

USES_SPARK = "def test_something(spark):\n    raise AssertionError\n"


def test_untuned_settings_are_what_spark_and_java_choose_themselves(tmp_path: Path) -> None:
    tuned = local_settings(LocalSpark(), tmp_path, [], short_lived=True)
    untuned = local_settings(LocalSpark(settings=UNTUNED), tmp_path, [], short_lived=True)

    assert untuned["spark.sql.shuffle.partitions"] == "200"
    assert [tuned[name] for name in UNTUNED] != [untuned[name] for name in UNTUNED]
    # Java takes the last of two answers to one question.
    levels = [word for word in untuned["spark.driver.extraJavaOptions"].split() if "TieredStopAtLevel" in word]
    assert levels == ["-XX:TieredStopAtLevel=1", "-XX:TieredStopAtLevel=4"]


def test_untuned_settings_undo_what_is_chosen_for_a_long_run_too(tmp_path: Path) -> None:
    tuned = local_settings(LocalSpark(), tmp_path, [])["spark.driver.extraJavaOptions"]
    untuned = UNTUNED["spark.driver.extraJavaOptions"]

    chosen = {word.partition("=")[0] for word in tuned.split() if "Tier" in word}
    assert chosen
    assert chosen <= {word.partition("=")[0] for word in untuned.split()}


@pytest.mark.parametrize("key", sorted(UNTUNED))
def test_every_setting_that_is_measured_is_one_that_the_library_changes(key: str, tmp_path: Path) -> None:
    tuned = local_settings(LocalSpark(), tmp_path, [], short_lived=True)

    assert tuned[key] != UNTUNED[key]


def test_a_setting_without_a_value_is_refused_before_spark_starts(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(USES_SPARK, encoding="utf-8")
    plugin = ["-p", "databricks_utils.testing.plugin", "--spark-set", "spark.ui.port"]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode != 0
    assert "--spark-set spark.ui.port: write KEY=VALUE" in done.stdout
