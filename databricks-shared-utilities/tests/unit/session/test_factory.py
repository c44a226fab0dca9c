"""What a session refuses before anything is started."""

from __future__ import annotations

import pytest

from databricks_utils.errors import InvalidInput
from databricks_utils.session import LocalSpark, create_session


def test_an_unknown_mode_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="'cluster' is not a way") as raised:
        create_session(LocalSpark(mode="cluster"))

    assert raised.value.hint == "Write local, connect or databricks"


def test_connect_without_an_address_is_refused() -> None:
    with pytest.raises(InvalidInput, match="needs an address") as raised:
        create_session(LocalSpark(mode="connect"))

    assert raised.value.where == "spark.remote"


def test_mode_databricks_is_refused_outside_databricks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)

    with pytest.raises(InvalidInput, match="this is not one"):
        create_session(LocalSpark(mode="databricks"))


@pytest.mark.parametrize("name", ["SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED"])
def test_a_variable_that_switches_connect_on_contradicts_mode_local(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARK_CONNECT_MODE_ENABLED", raising=False)
    monkeypatch.setenv(name, "1")

    with pytest.raises(InvalidInput, match=f"{name} is set"):
        create_session(LocalSpark())


@pytest.mark.parametrize("address", ["localhost:15002", "http://host", "sc://", "sc://host:port"])
def test_an_address_that_is_none_of_a_connect_server_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="no address of a Connect server"):
        create_session(LocalSpark(mode="connect", remote=address))
