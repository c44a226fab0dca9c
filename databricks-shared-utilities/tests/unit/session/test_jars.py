"""The lock of the jars and the folder they are kept in; no network, no Java."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from databricks_utils.errors import InvalidInput, MissingTool
from databricks_utils.session.installation import SparkInstallation
from databricks_utils.session.ivy import file_name, proxy_options
from databricks_utils.session.jar_lock import JARS
from databricks_utils.session.jars import cache_folder, locked_jars, read_lock, resolve_jars


def locked_coordinates() -> dict[str, dict[str, tuple[str, ...]]]:
    return {
        series: {group: tuple(entry["coordinate"] for entry in entries) for group, entries in groups.items()}
        for series, groups in read_lock().items()
    }


def test_the_lock_holds_exactly_the_coordinates_it_is_written_from() -> None:
    assert locked_coordinates() == JARS


def test_every_locked_jar_has_a_hash_of_its_own() -> None:
    hashes = [entry["sha256"] for groups in read_lock().values() for entries in groups.values() for entry in entries]

    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes)
    assert len(set(hashes)) == len(hashes)


def test_a_series_without_jars_is_refused_with_the_ones_that_have_some() -> None:
    with pytest.raises(InvalidInput, match=r"no locked jars for Spark 3\.4") as raised:
        locked_jars("3.4")

    assert "3.5, 4.0, 4.1" in (raised.value.hint or "")


def test_the_cache_folder_can_be_named() -> None:
    assert cache_folder({"DATABRICKS_UTILS_CACHE": "/data/cache"}) == Path("/data/cache/jars")
    assert cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/databricks-utils/jars")


def test_a_folder_that_cannot_be_made_is_named_with_the_variable_that_moves_it(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("")

    with pytest.raises(MissingTool, match="cannot be written") as raised:
        resolve_jars(occupied / "jars", spark=SparkInstallation("4.0.9", tmp_path))

    assert raised.value.where == str(occupied / "jars")
    assert "DATABRICKS_UTILS_CACHE" in (raised.value.hint or "")


def test_a_coordinate_names_its_file() -> None:
    assert file_name("io.delta:delta-storage:4.0.1") == "delta-storage-4.0.1.jar"


def test_an_empty_file_passes_for_no_jar() -> None:
    empty = hashlib.sha256(b"").hexdigest()

    assert empty not in {jar.sha256 for series in JARS for jar in locked_jars(series)}


def test_proxies_are_handed_to_java() -> None:
    options = proxy_options({"HTTPS_PROXY": "http://proxy.example:3128", "no_proxy": "localhost,.example"})

    assert options == [
        "-Dhttps.proxyHost=proxy.example",
        "-Dhttps.proxyPort=3128",
        "-Dhttp.nonProxyHosts=localhost|*.example",
    ]


def test_without_proxies_java_gets_no_options() -> None:
    assert proxy_options({"NO_PROXY": "localhost"}) == []
