"""Downloading the locked jars from a repository on the loopback address: once, verified, side by side."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from databricks_utils.errors import MissingTool
from databricks_utils.session.connect import free_port
from databricks_utils.session.installation import installed_spark
from databricks_utils.session.ivy import MIRROR_VARIABLE
from databricks_utils.session.jar_lock import write_lock
from databricks_utils.session.jars import locked_jars, resolve_jars

pytest.importorskip("pyspark")


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line on stderr for each."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve a Maven repository with the jars of the installed Spark, and give its folder."""
    root = tmp_path / "mirror"
    for jar, source in zip(locked_jars(installed_spark().series), resolve_jars(), strict=True):
        group, artifact, version = jar.coordinate.split(":")
        place = root.joinpath(*group.split("."), artifact, version)
        place.mkdir(parents=True)
        shutil.copy(source, place / jar.file_name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(root)))
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(MIRROR_VARIABLE, f"http://127.0.0.1:{server.server_port}/")
    yield root
    server.shutdown()
    server.server_close()


def storage_jar(folder: Path) -> Path:
    """Return the path of delta-storage anywhere below a folder."""
    return next(folder.rglob("delta-storage-*.jar"))


@pytest.mark.usefixtures("mirror")
def test_jars_come_from_the_mirror_and_nothing_else_stays_in_the_folder(tmp_path: Path) -> None:
    jars = resolve_jars(tmp_path / "jars")

    assert sorted((tmp_path / "jars").iterdir()) == sorted(jars)
    assert len(jars) == len(locked_jars(installed_spark().series))


@pytest.mark.usefixtures("mirror")
def test_a_second_time_needs_neither_network_nor_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = resolve_jars(tmp_path / "jars")
    monkeypatch.setenv(MIRROR_VARIABLE, f"http://127.0.0.1:{free_port()}/")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)

    assert resolve_jars(tmp_path / "jars") == first


@pytest.mark.usefixtures("mirror")
def test_a_damaged_jar_is_noticed_and_downloaded_again(tmp_path: Path) -> None:
    resolve_jars(tmp_path / "jars")
    damaged = storage_jar(tmp_path / "jars")
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1])

    resolve_jars(tmp_path / "jars")

    assert damaged.read_bytes() == whole


def test_a_mirror_that_serves_other_content_is_refused_and_its_file_not_kept(mirror: Path, tmp_path: Path) -> None:
    altered = storage_jar(mirror)
    altered.write_bytes(altered.read_bytes() + b"!")

    with pytest.raises(MissingTool, match="is not the locked one") as raised:
        resolve_jars(tmp_path / "jars")

    assert "delta-storage" in (raised.value.where or "")
    assert not list((tmp_path / "jars").glob("delta-storage*"))


def test_a_mirror_that_lacks_a_jar_is_told_from_one_that_does_not_answer(mirror: Path, tmp_path: Path) -> None:
    storage_jar(mirror).unlink()

    with pytest.raises(MissingTool, match="does not have every jar") as raised:
        resolve_jars(tmp_path / "jars")

    assert (raised.value.where or "").startswith("io.delta:delta-storage:")
    assert list((tmp_path / "jars").iterdir()) == []


def test_a_mirror_that_does_not_answer_is_named_with_what_to_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MIRROR_VARIABLE, f"http://127.0.0.1:{free_port()}/")

    with pytest.raises(MissingTool, match="No answer from the mirror in MAVEN_REPOSITORY_URL") as raised:
        resolve_jars(tmp_path / "jars")

    assert "Check network and proxy" in (raised.value.hint or "")


@pytest.mark.usefixtures("mirror")
def test_several_processes_may_fill_the_same_folder_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: resolve_jars(tmp_path / "jars"), range(3)))

    assert results[0] == results[1] == results[2]
    assert sorted((tmp_path / "jars").iterdir()) == sorted(results[0])


@pytest.mark.usefixtures("mirror")
def test_locking_again_gives_the_hashes_that_are_locked(tmp_path: Path) -> None:
    series = installed_spark().series
    locked = locked_jars(series)

    write_lock(tmp_path / "lock.json", {series: {"delta": [jar.coordinate for jar in locked]}})

    written = (tmp_path / "lock.json").read_text()
    assert all(f'"{jar.sha256}"' in written for jar in locked)
