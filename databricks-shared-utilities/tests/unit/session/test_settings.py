"""The settings a local session starts with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from databricks_utils.session.settings import LocalSpark, java_options, local_settings


def test_cores_memory_and_partitions_come_from_the_configuration(tmp_path: Path) -> None:
    spark = LocalSpark(cores=3, memory="5g", shuffle_partitions=7)

    chosen = local_settings(spark, tmp_path, [])

    assert chosen["spark.master"] == "local[3]"
    assert chosen["spark.driver.memory"] == "5g"
    assert chosen["spark.sql.shuffle.partitions"] == "7"


def test_every_jar_is_on_the_class_path(tmp_path: Path) -> None:
    jars = [tmp_path / "a.jar", tmp_path / "b.jar"]

    chosen = local_settings(LocalSpark(), tmp_path, jars)

    assert chosen["spark.driver.extraClassPath"].split(os.pathsep) == [str(jar) for jar in jars]


def test_settings_of_the_configuration_win(tmp_path: Path) -> None:
    spark = LocalSpark(settings={"spark.sql.session.timeZone": "Europe/Vienna", "spark.ui.enabled": "true"})

    chosen = local_settings(spark, tmp_path, [])

    assert chosen["spark.sql.session.timeZone"] == "Europe/Vienna"
    assert chosen["spark.ui.enabled"] == "true"


def test_java_options_of_the_configuration_are_added_to_ours(tmp_path: Path) -> None:
    spark = LocalSpark(settings={"spark.driver.extraJavaOptions": "-Dmine=1"})

    chosen = local_settings(spark, tmp_path, [], short_lived=True)

    assert chosen["spark.driver.extraJavaOptions"] == f"{java_options(short_lived=True)} -Dmine=1"


def test_a_short_lived_process_compiles_once_and_a_long_one_seldom_twice_both_with_room_for_all_of_spark() -> None:
    short, long = java_options(short_lived=True), java_options(short_lived=False)

    assert "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m" in short
    assert "Tier4" not in short
    assert "-XX:TieredStopAtLevel=4 " in long
    assert "-XX:Tier4BackEdgeThreshold=400000 -XX:ReservedCodeCacheSize=256m" in long


@pytest.mark.parametrize("short_lived", [True, False])
def test_garbage_is_collected_in_one_go_unless_another_collector_is_asked_for(
    short_lived: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "-XX:+UseParallelGC" in java_options(short_lived=short_lived)
    assert java_options("-XX:+UseG1GC", short_lived=short_lived).count("GC") == 1

    # Java takes options from the environment too, and does not start with two collectors.
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xss4m -XX:+UseSerialGC")
    assert "GC" not in java_options(short_lived=short_lived)


def test_the_log_settings_are_a_file_that_exists() -> None:
    option = java_options(short_lived=False).split()[0]

    assert option.startswith("-Dlog4j.configurationFile=file:///")
    assert Path(option.partition("file://")[2]).is_file()


@pytest.mark.parametrize("variable", ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS"])
def test_a_collector_in_any_variable_that_is_added_to_ours_wins(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "-XX:+UseG1GC")

    assert "ParallelGC" not in java_options(short_lived=True)
