"""Findings about the machine and how they are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from databricks_utils.doctor import Check, examine, render_checks
from databricks_utils.doctor.machine import (
    check_disk,
    check_lightgbm,
    check_loopback,
    check_python,
    check_tool,
    check_writable,
)
from databricks_utils.doctor.spark import check_java, check_variables


def test_a_failed_check_is_followed_by_its_advice() -> None:
    checks = [Check("Java", True, "17"), Check("uv", False, "not installed", "Install uv")]

    assert render_checks(checks) == (
        "ok    Java  17\nFAIL  uv    not installed\n            -> Install uv\n1 of 2 checks failed"
    )


def test_everything_in_order_is_said_in_one_line() -> None:
    assert render_checks([Check("git", True, "2.4")]).splitlines()[-1] == "All 1 checks passed"


def test_long_advice_stays_within_eighty_columns() -> None:
    text = render_checks([Check("Project folder", False, "found " * 30, "advice " * 40)])

    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(("version", "ok"), [((3, 9, 18), False), ((3, 10, 0), True), ((3, 13, 1), True)])
def test_python_is_required_from_3_10_on(version: tuple[int, ...], ok: bool) -> None:
    assert check_python(version).ok is ok


def test_a_tool_that_is_not_installed_comes_with_the_way_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")

    check = check_tool("git")

    assert (check.ok, check.found) == (False, "not installed")
    assert "apt-get install git" in check.advice


def test_a_lightgbm_without_openmp_comes_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> object:
        raise OSError(f"{name}: libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr("databricks_utils.doctor.machine.importlib.import_module", broken)

    check = check_lightgbm()

    assert not check.ok
    assert "libgomp.so.1" in check.found
    assert "apt-get install libgomp1" in check.advice


def test_a_folder_under_a_file_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    check = check_writable("Project folder", tmp_path / "file" / "below", "Move it")

    assert (check.ok, check.advice) == (False, "Move it")


def test_the_check_of_a_folder_leaves_nothing_in_it(tmp_path: Path) -> None:
    assert check_writable("Project folder", tmp_path, "").ok
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_fails_without_an_exception(tmp_path: Path) -> None:
    assert not check_disk(tmp_path / "absent").ok


def test_loopback_works_where_the_tests_run() -> None:
    assert check_loopback().ok


def test_variables_that_redirect_spark_are_named() -> None:
    check = check_variables({"SPARK_REMOTE": "sc://elsewhere"})

    assert (check.ok, check.found) == (False, "SPARK_REMOTE")
    assert check.advice.startswith("SPARK_REMOTE: Unset it")


def test_a_machine_without_java_is_reported_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)

    check = check_java()

    assert not check.ok
    assert "openjdk-17" in check.advice


def test_a_bare_machine_is_reported_without_an_exception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("DATABRICKS_UTILS_CACHE", str(tmp_path / "cache"))

    failed = {check.name for check in examine(tmp_path) if not check.ok}

    assert {"uv", "git", "Java", "Jars"} <= failed
