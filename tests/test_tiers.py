"""What each command runs: no kind of test can fall out of all of them unnoticed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
from baking import LIBRARY, ROOT


def marks_of(target: str) -> list[str]:
    """Return the expressions by which a target of the Makefile chooses the library's tests; "" chooses all."""
    said = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [line for line in said.splitlines() if f"cd {LIBRARY.name}" in line and "pytest" in line]
    return [found[1] if (found := re.search(r'-m "([^"]*)"', line)) else "" for line in lines]


BROKER = {"test_broker.py", "test_broker_faults.py", "test_realtime.py"}


def collected(marks: str) -> set[str]:
    """Return the names of those files with tests of the broker of which an expression chooses some."""
    files = [f"tests/integration/{name}" for name in sorted(BROKER)]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", marks, *files]
    done = subprocess.run(command, cwd=LIBRARY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
    return set(re.findall(r"(test_\w+\.py)::", done.stdout))


def test_every_change_is_tested_with_a_real_broker_which_nothing_skips() -> None:
    (marks,) = marks_of("test-library")

    assert collected(marks) == BROKER
    conftests = [path.read_text(encoding="utf-8") for path in LIBRARY.glob("tests/**/conftest.py")]
    broker_tests = [path.read_text(encoding="utf-8") for path in LIBRARY.glob("tests/integration/test_broker*.py")]
    assert [text for text in (*conftests, *broker_tests) if re.search(r"\bskip(if)?\(|importorskip", text)] == []


@pytest.mark.parametrize("mark", ["broker", "matrix"])
def test_what_one_command_leaves_out_another_runs(mark: str) -> None:
    everything = {*marks_of("test-library"), *marks_of("test-matrix")}

    assert any(re.search(rf"(?<!not ){mark}\b", marks) for marks in everything), everything
