"""A baked project passes its own checks: fresh, on every runtime, in both modes of Spark, and offline."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from baking import LIBRARY, Bakery
from databricks_utils.identity import content_of
from installed import Installed, install
from releases import version_of
from team import replaced

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Kept:
    """What commands said while a Spark was kept, and the newest version of each table before and after."""

    said: dict[str, str]
    before: dict[str, int]
    after: dict[str, int]


def test_a_fresh_project_passes_its_own_linters(installed: Installed) -> None:
    installed.succeed("make", "lint")


def test_a_fresh_project_passes_its_own_tests_with_its_coverage(installed: Installed) -> None:
    summary = installed.succeed("make", "test")

    assert " passed" in summary
    assert "Required test coverage of 80.0% reached" in summary


def test_a_fresh_project_passes_its_unit_tests_on_sail_which_only_that_command_installs(installed: Installed) -> None:
    before = installed.succeed("uv", "pip", "list")

    summary = Installed(installed.folder, network=True).succeed("make", "test-quick")

    assert "pysail" not in before
    assert "spark mode: sail" in summary
    assert " passed" in summary


@pytest.fixture(scope="module")
def kept(ran: Installed) -> Kept:
    """Keep a Spark after a first run, and let it answer the commands of a morning: each takes seconds then."""
    before = table_versions(ran.folder)
    said = {"up": ran.succeed("make", "spark-up")}
    try:
        said["up again"] = ran.succeed("make", "spark-up")
        status = ran.run(*ran.command("status"))
        said["status"], said["about the status"] = status.stdout, status.stderr
        said["run"] = ran.succeed(*ran.command("run", "--env", "local"))
        said["report"] = ran.succeed(*ran.command("report"))
    finally:
        said["down"] = ran.succeed("make", "spark-down")
    return Kept(said, before, table_versions(ran.folder))


def test_a_spark_that_is_kept_answers_the_next_command_until_it_is_ended(kept: Kept) -> None:
    assert "is up: sc://localhost:" in kept.said["up"]
    assert "was up already" in kept.said["up again"]
    assert "using the Spark kept" in kept.said["about the status"]
    assert "Spark is down." in kept.said["down"]


def test_the_status_after_a_run_names_every_layer(kept: Kept) -> None:
    for table in ("bronze.transactions", "silver.transactions", "gold.fact_sales", "gold.business_metrics"):
        assert table in kept.said["status"]


def test_a_second_run_on_the_same_input_changes_no_table(kept: Kept) -> None:
    assert kept.before
    assert kept.after == kept.before


def test_the_report_is_one_page_that_needs_no_network(kept: Kept) -> None:
    page = Path(kept.said["report"].split("Report: ")[1].strip()).read_text(encoding="utf-8")

    assert "fact_sales" in page
    assert [mark for mark in ('src="http', 'href="http', "@import", "url(http") if mark in page] == []


@pytest.mark.matrix
def test_a_fresh_project_passes_its_tests_over_connect(installed: Installed) -> None:
    summary = installed.succeed("uv", "run", "pytest", "-q", "--spark-mode", "connect")

    assert " passed" in summary


def test_a_fresh_project_passes_its_hooks_before_a_commit(installed: Installed, bakery: Bakery) -> None:
    project = Installed(bakery.bake({}, "committed"))
    project.succeed("git", "init", "--quiet")
    project.succeed("git", "add", "--all")

    project.succeed("uv", "run", "pre-commit", "run", "--all-files")


def test_a_project_for_the_oldest_runtime_goes_from_files_to_gold(bakery: Bakery) -> None:
    # Its Spark looks up catalogs and casts numbers otherwise than the newest, which everything else here runs on.
    project = install(bakery.bake({"runtime": "16.4-lts"}, "oldest"))

    version = project.succeed("uv", "run", "python", "-c", "import pyspark; print(pyspark.__version__)")
    said = project.succeed(*project.command("run", "--env", "local"))

    assert version.startswith("3.5.")
    assert "gold.business_metrics" in said
    assert table_versions(project.folder)


@pytest.mark.matrix
@pytest.mark.parametrize(("runtime", "spark"), [("17.3-lts", "4.0."), ("16.4-lts", "3.5.")])
def test_a_project_for_an_older_runtime_passes_its_tests(runtime: str, spark: str, bakery: Bakery) -> None:
    project = install(bakery.bake({"runtime": runtime}, f"runtime-{runtime}"))

    version = project.succeed("uv", "run", "python", "-c", "import pyspark; print(pyspark.__version__)")
    summary = project.succeed("uv", "run", "pytest", "-q")

    assert version.startswith(spark)
    assert " passed" in summary


def test_a_project_installs_from_its_wheel_without_a_network(installed: Installed, bakery: Bakery) -> None:
    second = Installed(bakery.bake({}, "offline"))
    script = "import databricks_utils; print(databricks_utils.__file__)"

    second.succeed("uv", "sync", "--offline")

    where = second.succeed("uv", "run", "--offline", "python", "-c", script)
    assert Path(where.strip()).is_relative_to(second.folder.resolve() / ".venv")
    assert installed.folder != second.folder


def test_an_upgrade_brings_the_newer_library_and_tells_contents_of_one_version_apart(
    bakery: Bakery, scratch: Path
) -> None:
    project = install(bakery.bake({}, "upgraded"))
    newer, released = scratch / LIBRARY.name, version_of(LIBRARY)
    shutil.copytree(LIBRARY, newer, ignore=shutil.ignore_patterns("tests", "__pycache__", ".*_cache"))
    upgrading = Installed(project.folder, network=True)  # the wheel is built in an environment of its own

    replaced(newer / "pyproject.toml", f'version = "{released}"', f'version = "{released}.post1"')
    upgrading.succeed("make", "upgrade", f"FROM={scratch}")
    replaced(newer / "src" / "databricks_utils" / "errors.py", "from __future__", "# Repaired.\nfrom __future__")
    said = upgrading.succeed("make", "upgrade", f"FROM={scratch}")

    wheel = f"libs/databricks_shared_utilities-{released}.post1-py3-none-any.whl"
    after, before = re.findall(rf"{re.escape(released)}\.post1 \(content ([0-9a-f]{{12}})\)", said)
    assert f"The shared library is now {wheel}, {released}.post1 (content {after})" in said
    assert (after, before) == (
        content_of(newer / "src" / "databricks_utils"),
        content_of(LIBRARY / "src" / "databricks_utils"),
    )
    assert f"version {released}.post1 (content {after})" in project.succeed(*project.command("--version"))
    assert [path.name for path in (project.folder / "libs").iterdir()] == [Path(wheel).name]


@pytest.mark.parametrize(
    ("key", "value"),
    [("quality.minimum_scor", "0.9"), ("quality.minimum_score", "often")],
    ids=["unknown", "wrong"],
)
def test_a_bad_setting_ends_with_code_2_and_names_the_key(key: str, value: str, installed: Installed) -> None:
    done = installed.run(*installed.command("run", "--env", "local", "--set", f"{key}={value}"))

    assert done.returncode == 2
    assert key in done.stderr


def table_versions(project: Path) -> dict[str, int]:
    """Return the newest version of every table by its folder; the tables about runs grow with each run."""
    logs = [path for path in project.rglob("_delta_log") if "operations" not in path.parts]
    versions = [max(int(commit.stem) for commit in log.glob("*[0-9].json")) for log in logs]
    return {log.parent.relative_to(project).as_posix(): version for log, version in zip(logs, versions, strict=True)}
