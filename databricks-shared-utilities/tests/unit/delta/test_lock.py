"""A table has one writer at a time, in this process and in others, and no lock outlives its holder."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from databricks_utils.delta import Namespace, lock, locked
from databricks_utils.errors import TableBusy

# Holds a table until its standard input ends, and says so.
HOLDER = """
import sys
from pathlib import Path
from databricks_utils.delta import Namespace, locked

namespace = Namespace("spark_catalog", {"silver": "silver_x"}, Path(sys.argv[1]))
with locked(namespace, write=["silver.orders"], holder={"run": "5f1d2c3b4a59", "java": int(sys.argv[2])}):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def namespace(tmp_path: Path) -> Namespace:
    return Namespace("spark_catalog", {"silver": "silver_x", "gold": "gold_x"}, tmp_path)


@contextmanager
def holding(namespace: Namespace, java: int = 0) -> Iterator[subprocess.Popen[str]]:
    """Give a process that holds silver.orders; it is ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(namespace.warehouse), str(java or os.getpid())],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def refused(namespace: Namespace, *tables: str) -> None:
    """Try to hold tables, without any wait."""
    with locked(namespace, write=tables, wait_seconds=0):
        raise AssertionError("the tables were free")


def test_the_second_writer_is_told_who_holds_the_table(namespace: Namespace) -> None:
    with holding(namespace) as process, pytest.raises(TableBusy) as caught:
        refused(namespace, "silver.orders")

    text = str(caught.value)
    assert "silver.orders is being written by another run: run 5f1d2c3b4a59" in text
    assert f"process {process.pid} on " in text
    assert "execution.lock_wait_seconds" in text
    assert f"end process {process.pid}" in text


def test_a_writer_that_waits_says_so_once_and_goes_on_when_the_other_is_done(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lock, "TOLD_AFTER_SECONDS", 0)
    with holding(namespace) as process:
        pauses: list[float] = []

        def finish(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                process.communicate()

        with locked(namespace, write=["silver.orders"], wait_seconds=60, sleep=finish):
            pass

    assert len(pauses) == 3
    assert process.returncode == 0
    (told,) = caplog.messages
    assert told.startswith("silver.orders is being written by another run: run 5f1d2c3b4a59, process")
    assert told.endswith("waiting for it, at most 60 s")


def test_the_lock_of_a_killed_process_is_taken_over_and_said_so(
    namespace: Namespace, caplog: pytest.LogCaptureFixture
) -> None:
    with holding(namespace) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()

        with locked(namespace, write=["silver.orders"], wait_seconds=0):
            pass

    assert f"process {process.pid} ended in the middle of its run" in caplog.text
    caplog.clear()
    with locked(namespace, write=["silver.orders"], wait_seconds=0):
        pass
    assert caplog.text == ""


def test_the_java_process_of_a_killed_run_ends_before_its_tables_are_taken_over(namespace: Namespace) -> None:
    java = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    with holding(namespace, java.pid) as process:
        process.kill()
        process.wait()
        pauses: list[float] = []

        def end(seconds: float) -> None:
            pauses.append(seconds)
            java.communicate()

        with locked(namespace, write=["silver.orders"], wait_seconds=0, sleep=end):
            assert java.poll() == 0

    assert len(pauses) == 1


def test_readers_share_and_keep_the_writer_out(namespace: Namespace) -> None:
    with ExitStack() as readers:
        for table in ("gold.a", "gold.b"):
            readers.enter_context(locked(namespace, write=[table], read=["silver.orders"], wait_seconds=0))

        with pytest.raises(TableBusy, match=r"silver\.orders is being read by another run"):
            refused(namespace, "silver.orders")

    with locked(namespace, write=["silver.orders"], wait_seconds=0):
        pass


def test_a_block_that_did_not_get_all_tables_holds_none(namespace: Namespace) -> None:
    with locked(namespace, write=["silver.orders"]):
        with pytest.raises(TableBusy), locked(namespace, write=["gold.a", "silver.orders"], wait_seconds=0):
            pass
        with locked(namespace, write=["gold.a"], wait_seconds=0):
            pass


def test_threads_that_want_the_same_tables_in_any_order_take_turns(namespace: Namespace) -> None:
    inside, most = 0, 0

    def turn(number: int) -> None:
        nonlocal inside, most
        tables = ["silver.orders", "gold.a"]
        with locked(namespace, write=tables if number % 2 else tables[::-1], wait_seconds=60):
            inside += 1
            most = max(most, inside)
            inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(turn, range(80)))

    assert (inside, most) == (0, 1)


def test_schemas_of_different_environments_do_not_meet(namespace: Namespace) -> None:
    other = Namespace("spark_catalog", {"silver": "silver_y"}, namespace.warehouse)

    with locked(namespace, write=["silver.orders"]), locked(other, write=["silver.orders"], wait_seconds=0):
        pass


def test_without_a_warehouse_folder_nothing_is_locked(tmp_path: Path) -> None:
    remote = Namespace("main", {"silver": "silver"})

    with locked(remote, write=["silver.orders"]) as one, locked(remote, write=["silver.orders"], wait_seconds=0) as two:
        assert (one, two) == (False, False)
    assert list(tmp_path.iterdir()) == []


def test_where_there_are_no_locks_the_run_goes_on_and_says_what_to_mind(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)

    with locked(namespace, write=["silver.orders", "silver.sales"], wait_seconds=0) as is_locked:
        assert not is_locked

    warning = "The file system has no locks: let no two runs write the same tables at once"
    assert [record.getMessage() for record in caplog.records] == [warning]
    monkeypatch.undo()
    with locked(namespace, write=["silver.orders"], wait_seconds=0) as is_locked:
        assert is_locked
