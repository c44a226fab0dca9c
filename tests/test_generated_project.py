"""A baked project passes its own checks: fresh, on every runtime, in both modes of Spark, and offline."""

from __future__ import annotations

from pathlib import Path

import pytest
from baking import Bakery
from installed import Installed, install

pytestmark = pytest.mark.slow

#: Command lines that the project's own README and workflows use.
CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
)


@pytest.mark.parametrize("check", CHECKS, ids=" ".join)
def test_a_fresh_project_passes_its_own_check(check: tuple[str, ...], installed: Installed) -> None:
    installed.succeed("run", *check)


def test_a_fresh_project_passes_its_tests(installed: Installed) -> None:
    summary = installed.succeed("run", "pytest", "--no-header", "-q")

    assert " passed" in summary


def test_a_fresh_project_passes_its_tests_over_connect(installed: Installed) -> None:
    summary = installed.succeed("run", "pytest", "--no-header", "-q", "--spark-mode", "connect", "--no-cov")

    assert " passed" in summary


@pytest.mark.parametrize(("runtime", "spark"), [("17.3-lts", "4.0."), ("16.4-lts", "3.5.")])
def test_a_project_for_an_older_runtime_passes_its_tests_on_that_spark(
    runtime: str, spark: str, bakery: Bakery
) -> None:
    project = install(bakery.bake({"runtime": runtime}, f"runtime-{runtime}"))

    version = project.succeed("run", "python", "-c", "import pyspark; print(pyspark.__version__)")
    summary = project.succeed("run", "pytest", "--no-header", "-q")

    assert version.startswith(spark)
    assert " passed" in summary


def test_a_project_installs_from_its_wheel_without_a_network(installed: Installed, bakery: Bakery) -> None:
    second = Installed(bakery.bake({}, "offline"))

    second.succeed("sync", "--offline")

    script = "import databricks_utils; print(databricks_utils.__file__)"
    where = second.succeed("run", "--offline", "python", "-c", script)
    assert Path(where.strip()).is_relative_to(second.folder.resolve() / ".venv")


def test_the_first_run_reports_every_table(ran: Installed) -> None:
    status = ran.succeed("run", ran.folder.name, "status")

    for table in ("bronze.transactions", "silver.transactions", "gold.fact_sales", "gold.business_metrics"):
        assert table in status


def test_a_second_run_on_the_same_input_changes_no_table(ran: Installed) -> None:
    before = table_versions(ran.folder)

    ran.succeed("run", ran.folder.name, "run", "--env", "local")

    assert before
    assert table_versions(ran.folder) == before


def test_the_report_is_one_page_that_needs_no_network(ran: Installed) -> None:
    ran.succeed("run", ran.folder.name, "report")

    (report, *_) = sorted(ran.folder.rglob("*.html"))
    page = report.read_text(encoding="utf-8")
    assert "fact_sales" in page
    assert not [mark for mark in ('src="http', 'href="http', "@import", "url(http") if mark in page]


@pytest.mark.parametrize(
    ("key", "value"),
    [("quality.minimum_scor", "0.9"), ("quality.minimum_score", "often")],
    ids=["unknown", "wrong"],
)
def test_a_bad_setting_ends_with_code_2_and_names_the_key(key: str, value: str, installed: Installed) -> None:
    done = installed.uv("run", installed.folder.name, "run", "--env", "local", "--set", f"{key}={value}")

    assert done.returncode == 2
    assert key in done.stderr


def table_versions(project: Path) -> dict[str, int]:
    """Return the newest version of every table by its folder; the tables about runs grow with each run."""
    logs = [path for path in project.rglob("_delta_log") if "operations" not in path.parts]
    versions = [max(int(commit.stem) for commit in log.glob("*[0-9].json")) for log in logs]
    return {
        log.parent.relative_to(project).as_posix(): version
        for log, version in zip(logs, versions, strict=True)
    }
