"""Finding a Java that Spark runs on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from databricks_utils.errors import MissingTool
from databricks_utils.session.java import find_java, installed_java

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for Java is a shell script")


def stand_in(home: Path, version: str) -> Path:
    """Write a program that answers `-version` as that Java does."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    program.chmod(0o755)
    return program


def test_java_home_wins_over_the_path(tmp_path: Path) -> None:
    chosen = stand_in(tmp_path / "home", "21.0.2")
    other = stand_in(tmp_path / "path", "17.0.9")

    java = find_java("4.1", {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(other.parent)})

    assert (java.executable, java.version, java.home) == (chosen, 21, tmp_path / "home")


def test_a_java_home_that_is_too_new_is_passed_over_for_a_fitting_one_on_the_path(tmp_path: Path) -> None:
    stand_in(tmp_path / "home", "25")
    fitting = stand_in(tmp_path / "path", "17.0.15")

    java = find_java("4.1", {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(fitting.parent)})

    assert java.executable == fitting


def test_no_java_gives_the_line_that_installs_one() -> None:
    with pytest.raises(MissingTool, match="none is installed") as raised:
        find_java("4.1", {"PATH": ""})

    assert "sudo apt-get install openjdk-17-jre-headless" in (raised.value.hint or "")
    assert "a Java 17 to 21" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("series", "version"), [("4.1", "25.0.1"), ("4.0", "11.0.2"), ("3.5", "21"), ("4.1", "1.8.0_402")]
)
def test_a_java_that_does_not_fit_the_series_is_named_with_its_place(tmp_path: Path, series: str, version: str) -> None:
    program = stand_in(tmp_path / "wrong", version)

    with pytest.raises(MissingTool, match=f"Spark {series} runs on Java 17") as raised:
        find_java(series, {"JAVA_HOME": str(tmp_path / "wrong"), "PATH": ""})

    feature = "8" if version.startswith("1.8") else version.split(".")[0]
    assert raised.value.where == f"Java {feature} at {program}"


def test_a_java_that_does_not_answer_is_no_java(tmp_path: Path) -> None:
    program = stand_in(tmp_path / "broken", "17")
    program.write_text("#!/bin/sh\nexit 1\n")

    assert installed_java({"JAVA_HOME": str(tmp_path / "broken"), "PATH": str(tmp_path)}) == []


def test_a_shim_of_a_version_manager_has_no_home(tmp_path: Path) -> None:
    program = stand_in(tmp_path / "real", "17")
    shim = tmp_path / "manager" / "shims" / "java"
    shim.parent.mkdir(parents=True)
    shim.write_bytes(program.read_bytes())
    shim.chmod(0o755)

    java = find_java("4.1", {"PATH": str(shim.parent)})

    assert java.home is None
