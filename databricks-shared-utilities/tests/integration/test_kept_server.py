"""A Spark that outlives the process that started it: shared, private, and replaced when it is dead or another."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from databricks_utils.file_lock import is_released
from databricks_utils.session import LocalSpark, end_server, keep_server, kept_server

SPARK = LocalSpark(memory="1g")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of one server and its tables; a test starts the server where another has not."""
    folder = tmp_path_factory.mktemp("kept server")
    yield folder
    end_server(folder / "spark")


def answer(home: Path, code: str) -> str:
    """Return what a new process prints, which opens a session as a command does."""
    opening = f"""
        from pathlib import Path
        from databricks_utils.session import LocalSpark, create_session
        home = Path({str(home)!r})
        spark = create_session(LocalSpark(memory="1g"), "test", home / "tables", kept=home / "spark")
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(opening) + textwrap.dedent(code)],
        env={**inherited, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_processes_share_a_server_and_its_tables(home: Path) -> None:
    server, _ = keep_server(SPARK, home / "tables", home / "spark")
    again = keep_server(SPARK, home / "tables", home / "spark")

    answer(home, "spark.sql(f\"CREATE TABLE n USING delta LOCATION '{home}/n' AS SELECT id FROM range(3)\")")
    said = answer(home, "print(type(spark).__module__, spark.table('n').count()); spark.sql('DROP TABLE n')")

    assert again == (server, False)
    assert said == "pyspark.sql.connect.session 3\n"


def test_only_the_owner_can_read_the_token_and_nobody_is_answered_without(home: Path) -> None:
    server, _ = keep_server(SPARK, home / "tables", home / "spark")
    if not server.token:
        assert server.spark.startswith("3.5")
        return
    listed = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(server.pid)], capture_output=True, text=True)

    refused = answer(
        home,
        f"""
        spark.stop()
        from databricks_utils.errors import LakehouseError
        from databricks_utils.session.factory import open_remote
        try:
            open_remote({server.address!r}, "stranger")
        except LakehouseError as error:
            print(error)
        """,
    )

    assert "The Connect server gives no session" in refused
    assert server.token not in refused + listed.stdout
    assert "SparkConnectServer" in listed.stdout
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (home / "spark", home / "spark" / "server.json")}
    assert list(modes.values()) == [0o700, 0o600]


def test_other_settings_do_not_use_the_server(home: Path) -> None:
    server, _ = keep_server(SPARK, home / "tables", home / "spark")

    said = answer(
        home,
        """
        spark.stop()
        from databricks_utils.session.keeping import fitting_server
        for cores, tables in ((2, "tables"), (1, "tables"), (2, "others")):
            found = fitting_server(LocalSpark(memory="1g", cores=cores), home / tables, home / "spark")
            print(found and found.pid)
        """,
    )

    assert said.split() == [str(server.pid), "None", "None"]


def test_after_a_crash_one_of_two_that_ask_at_once_starts_a_server_and_nothing_of_the_old_one_is_left(
    home: Path,
) -> None:
    killed, _ = keep_server(SPARK, home / "tables", home / "spark")
    remains = {path.name for path in (home / "spark" / "scratch").iterdir()}
    os.kill(killed.pid, signal.SIGKILL)
    assert is_released(home / "spark" / "alive", 30)
    assert kept_server(home / "spark") is None

    with ThreadPoolExecutor(2) as both:
        asked = [both.submit(keep_server, SPARK, home / "tables", home / "spark") for _ in range(2)]
        (first, first_is_new), (second, second_is_new) = (answer.result() for answer in asked)

    assert first == second != killed
    assert sorted([first_is_new, second_is_new]) == [False, True]
    assert remains & {path.name for path in (home / "spark" / "scratch").iterdir()} <= {"warehouse"}


def test_a_server_of_another_version_is_replaced_and_after_its_end_nothing_is_left(home: Path) -> None:
    old, _ = keep_server(SPARK, home / "tables", home / "spark")
    state = home / "spark" / "server.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "digest": "of another version"}))

    new, is_new = keep_server(SPARK, home / "tables", home / "spark")

    assert is_new
    assert old.pid != new.pid
    assert end_server(home / "spark")
    assert [path.name for path in (home / "spark").iterdir()] == ["lock"]
    assert end_server(home / "spark") is False
