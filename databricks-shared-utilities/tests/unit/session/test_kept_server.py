"""What is believed about a server that was kept: its lock, never a file or a process number alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from databricks_utils.file_lock import holding, is_held
from databricks_utils.session import end_server, kept_server

STATE = {"address": "sc://localhost:1", "token": "t", "pid": 0, "spark": "4.1.4", "digest": "d", "log": "spark.log"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a server, with a state that names this very process."""
    (tmp_path / "server.json").write_text(json.dumps({**STATE, "pid": os.getpid()}))
    (tmp_path / "alive").write_text(str(os.getpid()))
    (tmp_path / "scratch").mkdir()
    return tmp_path


@contextmanager
def stand_in(folder: Path, code: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that holds the folder's lock as a server does."""
    with holding(folder / "alive") as lock:
        process = subprocess.Popen(
            [sys.executable, "-c", f"{code}\nprint(flush=True)\ninput()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[lock],
        )
    (folder / "alive").write_text(str(process.pid))
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_state_that_a_dead_server_left_is_no_server_whoever_has_its_number_now(folder: Path) -> None:
    assert kept_server(folder) is None
    assert end_server(folder) is False
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_server_that_lives_is_found_and_ended(folder: Path) -> None:
    with stand_in(folder) as process:
        found = kept_server(folder)
        ended = end_server(folder)

        assert process.wait(10) == -signal.SIGTERM
    assert found is not None
    assert found.url == "sc://localhost:1/;token=t"
    assert ended
    assert kept_server(folder) is None
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_server_that_does_not_listen_to_a_polite_end_is_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("databricks_utils.session.keeping.STOP_SECONDS", 0.3)
    with stand_in(folder, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)") as process:
        assert end_server(folder)

        assert process.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"url": "sc://localhost:1"}'])
def test_a_state_that_another_version_wrote_is_no_server_but_can_be_ended(folder: Path, text: str) -> None:
    (folder / "server.json").write_text(text)
    with stand_in(folder) as process:
        assert kept_server(folder) is None
        assert end_server(folder)

        assert process.wait(10) == -signal.SIGTERM


def test_where_nothing_was_kept_nothing_is_ended_or_made(tmp_path: Path) -> None:
    assert kept_server(tmp_path / "none") is None
    assert end_server(tmp_path / "none") is False
    assert list(tmp_path.iterdir()) == []


def test_asking_for_a_lock_takes_it_from_nobody(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    assert not is_held(path)
    with holding(path):
        assert is_held(path)
        assert is_held(path)
    assert not is_held(path)
