"""A machine that lacks something hears which thing, and the line that installs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from baking import ROOT, TEMPLATE, Bakery
from conftest import Bake

SCRIPT = ROOT / "tools" / "prerequisites.sh"
BASICS = ("sh", "sed", "head", "dirname", "make", "git")
SCRIPTS = sorted([*(ROOT / "tools").glob("*.sh"), ROOT / ".ci" / "run", *TEMPLATE.rglob("scripts/*.sh")])
SHELL = shutil.which("sh") or "/bin/sh"


class Machine:
    """A path with chosen programs only; what is put on it answers with a fixed text."""

    def __init__(self, folder: Path, programs: tuple[str, ...]) -> None:
        """Link programs of the real machine into a folder that becomes the path."""
        self.folder = folder
        for name in programs:
            real = shutil.which(name)
            assert real is not None, name
            (folder / name).symlink_to(real)

    def add(self, name: str, says: str, folder: Path | None = None) -> Path:
        """Put a program on the path that prints a text on both streams' usual side and succeeds."""
        program = (folder or self.folder) / name
        program.parent.mkdir(parents=True, exist_ok=True)
        stream = 2 if name == "java" else 1
        program.write_text(f"#!{SHELL}\nprintf '%s\\n' '{says}' >&{stream}\n", encoding="utf-8")
        program.chmod(0o755)
        return program

    def check(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the check on this machine, from a copy that has no .tools/ beside it."""
        copy = self.folder.parent / "repository" / "tools" / SCRIPT.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SCRIPT, copy)
        return subprocess.run(
            [SHELL, str(copy), *arguments],
            env={"PATH": str(self.folder), **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with everything but Java and uv."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return Machine(folder, BASICS)


def complete(machine: Machine) -> Machine:
    """Add Java and uv in versions that are new enough."""
    machine.add("java", 'openjdk version "17.0.15" 2025-04-15')
    machine.add("uv", "uv 0.13.8 (x86_64)")
    return machine


def test_a_complete_machine_passes_silently(machine: Machine) -> None:
    done = complete(machine).check()

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_was_found_is_listed_on_request(machine: Machine) -> None:
    done = complete(machine).check("--verbose")

    assert re.search(r"^  java +17\.0\.15$", done.stdout, re.MULTILINE)
    assert re.search(r"^  uv +0\.13\.8", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("banner", "said"),
    [
        ('java version "1.8.0_401"', "version 1.8.0_401 on the PATH; version 17 or newer is needed"),
        ('openjdk version "11.0.22" 2024-01-16', "version 11.0.22 on the PATH; version 17 or newer is"),
        ("The operation could not be completed", "no working Java on the PATH; version 17 or newer is"),
    ],
)
def test_a_java_that_is_too_old_or_broken_is_named(machine: Machine, banner: str, said: str) -> None:
    complete(machine).add("java", banner)

    done = machine.check()

    assert done.returncode == 1
    assert f"java: {said}" in done.stderr
    assert "sudo apt-get install --yes openjdk-17-jre-headless" in done.stderr


@pytest.mark.parametrize("version", ["21", "21-ea", "25.0.1"])
def test_a_newer_java_passes(machine: Machine, version: str) -> None:
    complete(machine).add("java", f'openjdk version "{version}" 2025-09-16')

    assert machine.check().returncode == 0


def test_the_java_of_java_home_counts_because_spark_starts_that_one(machine: Machine, tmp_path: Path) -> None:
    home = tmp_path / "jdk8"
    complete(machine).add("java", 'java version "1.8.0_401"', home / "bin")

    done = machine.check(JAVA_HOME=str(home))

    assert done.returncode == 1
    assert f"version 1.8.0_401 in JAVA_HOME ({home})" in done.stderr


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()

    done = Machine(folder, ("sh", "sed", "head", "dirname")).check()

    assert done.returncode == 1
    for name in ("java", "git", "uv", "make"):
        assert re.search(f"^{name}: ", done.stderr, re.MULTILINE)
    assert "4 prerequisite(s) to install" in done.stderr


def test_an_old_uv_is_named(machine: Machine) -> None:
    complete(machine).add("uv", "uv 0.4.30 (hash)")

    done = machine.check()

    assert done.returncode == 1
    assert "uv: version 0.4.30 (hash); version 0.9 or newer is needed" in done.stderr
    assert "uv self update" in done.stderr


def bare_environment(folder: Path, *programs: str) -> dict[str, str]:
    """Return the variables of a machine with some programs only, an empty home and no package that was ever fetched."""
    (folder / "programs").mkdir()
    home = folder / "home"
    home.mkdir()
    variables = {"HOME": str(home), "USERPROFILE": str(home), "UV_CACHE_DIR": str(folder / "cache"), "JAVA_HOME": ""}
    return {**variables, "PATH": str(Machine(folder / "programs", programs).folder)}


def baked_on(environment: dict[str, str], bakery: Bakery, scratch: Path) -> tuple[Path, str]:
    """Bake the template's defaults on a machine and return the project and what was said."""
    folder = scratch / "made"
    folder.mkdir()
    done = bakery.command(str(TEMPLATE), "--no-input", folder=folder, environment=environment)
    assert done.returncode == 0, done.stderr
    return folder / "retail-lakehouse", done.stdout


def test_without_git_a_project_is_made_and_told_how_to_find_its_updates(bakery: Bakery, scratch: Path) -> None:
    project, said = baked_on(bare_environment(scratch, "uv"), bakery, scratch)

    assert list((project / "libs").glob("*.whl"))
    assert not (project / ".cruft.json").exists()
    assert f"uvx cruft link <address> --directory {TEMPLATE.name}" in said


def test_an_address_without_git_is_refused_with_the_reason(bakery: Bakery, scratch: Path) -> None:
    environment = bare_environment(scratch, "uv")

    done = bakery.command("https://git.example.org/family.git", "--no-input", folder=scratch, environment=environment)

    assert done.returncode != 0
    assert "'git' is not installed" in done.stdout + done.stderr


def test_without_java_a_project_is_made_and_its_doctor_says_what_to_install(bakery: Bakery, scratch: Path) -> None:
    environment = bare_environment(scratch, "uv", "git")
    project, _ = baked_on(environment, bakery, scratch)

    doctor = subprocess.run(
        [sys.executable, "-m", "retail_lakehouse", "doctor"],
        cwd=project,
        env={**environment, "PYTHONPATH": "src", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert doctor.returncode == 1
    said = " ".join(doctor.stdout.split())
    assert "FAIL Java Spark needs Java, and none is installed" in said
    assert "`sudo apt-get install openjdk-17-jre-headless`" in said


def test_without_a_network_a_project_is_made_and_its_setup_says_what_to_do(bakery: Bakery, scratch: Path) -> None:
    environment = {**bare_environment(scratch, "uv", "git", "make", "sh", "ls", "awk"), "UV_OFFLINE": "1"}
    project, said = baked_on(environment, bakery, scratch)

    setup = subprocess.run(["make", "setup"], cwd=project, env=environment, capture_output=True, text=True, check=False)

    assert list((project / "libs").glob("*.whl")), said
    assert setup.returncode != 0
    assert "The first set-up needs a package index" in setup.stderr
    assert "UV_DEFAULT_INDEX" in setup.stderr


def test_without_uv_the_setup_of_a_project_says_how_to_install_it(bake: Bake, scratch: Path) -> None:
    environment = bare_environment(scratch, "make", "sh", "ls", "awk")

    setup = subprocess.run(
        ["make", "setup"], cwd=bake({}), env=environment, capture_output=True, text=True, check=False
    )

    assert setup.returncode != 0
    assert "uv is missing. Install it with: python3 -m pip install --user uv" in setup.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_executable_and_plain_shell(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    assert subprocess.run([SHELL, "-n", str(script)], check=False).returncode == 0


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_pinned_lists_name_versions_and_no_index(path: Path) -> None:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]

    assert lines
    pinned = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z,]+\])?==\S+( ; .+)?")
    assert [line for line in lines if not pinned.fullmatch(line)] == []
