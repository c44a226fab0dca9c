"""The wheel in a new project: always the same bytes; where it cannot be built, advice that works."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

from baking import LIBRARY, TEMPLATE, Bakery
from conftest import Bake


def wheel_in(project: Path) -> Path:
    """Return the one wheel of a project."""
    (wheel,) = (project / "libs").iterdir()
    return wheel


def tools_without_uv(folder: Path) -> dict[str, str]:
    """Return an environment in which git can be found and uv cannot."""
    programs, home = folder / "programs", folder / "home"
    programs.mkdir()
    home.mkdir()
    git = shutil.which("git")
    assert git is not None
    (programs / "git").symlink_to(git)
    return {"PATH": str(programs), "HOME": str(home), "USERPROFILE": str(home)}


def test_two_builds_give_the_same_bytes(bake: Bake, bakery: Bakery) -> None:
    first, second = (wheel_in(project) for project in (bake({}), bakery.bake({}, "second-build")))

    assert first.name == second.name
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()


def test_the_wheel_holds_the_library_and_nothing_of_its_tests(bake: Bake) -> None:
    with zipfile.ZipFile(wheel_in(bake({}))) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]

    packaged = {name for name in names if name.startswith("databricks_utils/")}
    folder = LIBRARY / "src"
    source = {
        path.relative_to(folder).as_posix()
        for path in (folder / "databricks_utils").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packaged == source
    assert {name.split("/")[0].partition("-")[0] for name in names} == {
        "databricks_utils",
        "databricks_shared_utilities",
    }


def test_without_uv_the_message_completes_the_project(bakery: Bakery, scratch: Path, bake: Bake) -> None:
    environment = tools_without_uv(scratch)

    done = bakery.command(str(TEMPLATE), "--no-input", folder=scratch, environment=environment)

    project = scratch / "retail-lakehouse"
    assert done.returncode == 0, done.stderr
    assert "The shared library is not in libs/ yet: uv is not installed." in done.stdout
    assert "  python3 -m pip install uv\n" in done.stdout
    (advice,) = (line.strip() for line in done.stdout.splitlines() if line.startswith("  uv build "))
    subprocess.run(advice, shell=True, cwd=scratch, check=True, capture_output=True)
    assert wheel_in(project).read_bytes() == wheel_in(bake({})).read_bytes()


def test_uv_is_found_in_the_home_folder_when_the_path_lacks_it(bakery: Bakery, scratch: Path) -> None:
    environment = tools_without_uv(scratch)
    uv = shutil.which("uv")
    assert uv is not None
    place = Path(environment["HOME"]) / ".local" / "bin"
    place.mkdir(parents=True)
    (place / Path(uv).name).symlink_to(uv)

    done = bakery.command(str(TEMPLATE), "--no-input", folder=scratch, environment=environment)

    assert done.returncode == 0, done.stderr
    assert wheel_in(scratch / "retail-lakehouse").suffix == ".whl"


def test_a_template_without_its_repository_says_what_is_missing(bakery: Bakery, scratch: Path) -> None:
    shutil.copytree(TEMPLATE, scratch / "alone")

    done = bakery.command(str(scratch / "alone"), "--no-input", folder=scratch)

    assert done.returncode == 0, done.stderr
    assert "there is no databricks-shared-utilities folder beside the template" in done.stdout
    assert "get the template's whole repository" in done.stdout


def test_a_build_that_fails_is_reported_with_its_reason(bakery: Bakery, scratch: Path) -> None:
    shutil.copytree(TEMPLATE, scratch / TEMPLATE.name)
    (scratch / LIBRARY.name).mkdir()
    (scratch / LIBRARY.name / "pyproject.toml").write_text("this is no TOML\n", encoding="utf-8")

    done = bakery.command(str(scratch / TEMPLATE.name), "--no-input", folder=scratch)

    assert done.returncode == 0, done.stderr
    assert "The shared library is not in libs/ yet: uv" in done.stdout


def test_uv_as_a_module_of_this_python_is_enough(bakery: Bakery, scratch: Path) -> None:
    environment = tools_without_uv(scratch)
    uv = shutil.which("uv")
    assert uv is not None
    package = scratch / "packages" / "uv"
    package.mkdir(parents=True)
    starter = f"import subprocess, sys\nsys.exit(subprocess.run([{uv!r}, *sys.argv[1:]]).returncode)\n"
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "__main__.py").write_text(starter, encoding="utf-8")
    path = os.pathsep.join([str(package.parent), *filter(None, sys.path)])

    done = bakery.command(str(TEMPLATE), "--no-input", folder=scratch, environment={**environment, "PYTHONPATH": path})

    assert done.returncode == 0, done.stderr
    assert wheel_in(scratch / "retail-lakehouse").suffix == ".whl"


def test_only_the_owner_may_write_the_wheel(bake: Bake) -> None:
    mode = wheel_in(bake({})).stat().st_mode

    assert not mode & (stat.S_IWOTH | stat.S_IXUSR)
