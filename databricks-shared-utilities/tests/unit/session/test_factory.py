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


def test_a_remote_in_the_environment_contradicts_mode_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "sc://elsewhere")

    with pytest.raises(InvalidInput, match="SPARK_REMOTE is set"):
        create_session(LocalSpark())
