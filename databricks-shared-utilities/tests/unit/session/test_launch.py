"""What is told about a Spark that did not start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from databricks_utils.session.installation import installed_spark
from databricks_utils.session.jars import CACHE_VARIABLE
from databricks_utils.session.launch import KEPT_LOGS, new_log, not_started, prepare_environment


def test_the_last_words_of_java_are_shown_without_stack_frames(tmp_path: Path) -> None:
    log = tmp_path / "spark.log"
    log.write_text("Invalid maximum heap size: -Xmx2x\n\tat org.example.Main(Main.java:1)\n\t... 3 more\n")

    error = not_started(log, "exit code 1")

    assert error.message == "Spark did not start:\n    Invalid maximum heap size: -Xmx2x\n    exit code 1"
    assert error.where == str(log)


def test_only_the_newest_logs_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    (tmp_path / "logs").mkdir()
    for age in range(KEPT_LOGS + 5):
        old = tmp_path / "logs" / f"spark-old{age}.log"
        old.write_text("")
        os.utime(old, (1_000_000 - age, 1_000_000 - age))

    new = new_log()

    kept = {path.name for path in (tmp_path / "logs").iterdir()}
    assert kept == {new.name} | {f"spark-old{age}.log" for age in range(KEPT_LOGS - 1)}


def test_a_log_that_another_process_has_just_removed_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    (tmp_path / "logs").mkdir()
    # Listed, and not there any more when it is looked at.
    (tmp_path / "logs" / "spark-gone.log").symlink_to(tmp_path / "nothing")

    assert new_log().exists()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"LC_ALL": "C"}, "C.UTF-8"),
        ({"LANG": "POSIX"}, "C.UTF-8"),
        ({"LC_ALL": "", "LANG": "de_DE"}, "C.UTF-8"),
        ({}, "C.UTF-8"),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, None),
        ({"LC_ALL": "de_DE.utf8"}, "de_DE.utf8"),
    ],
)
def test_java_is_given_the_encoding_in_which_python_names_files(
    given: dict[str, str], wanted: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG", "JAVA_HOME", "SPARK_HOME", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
        # Set first, so that what is set on the way is taken back.
        monkeypatch.setenv(name, os.environ.get(name, ""))
        if name.startswith("L"):
            monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    prepare_environment(installed_spark())

    assert os.environ.get("LC_ALL") == wanted
