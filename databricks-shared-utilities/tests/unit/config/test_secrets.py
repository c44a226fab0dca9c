"""Secrets are found by reference and never shown."""

from __future__ import annotations

import pytest

from databricks_utils.config import EnvironmentSecrets, resolve_secret
from databricks_utils.errors import InvalidInput


def test_a_reference_is_resolved_and_its_text_hides_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP__DB_PASSWORD", "hunter2")

    secret = resolve_secret("secret://shop/db-password", EnvironmentSecrets())

    assert secret.get_secret_value() == "hunter2"
    assert "hunter2" not in f"{secret} {secret!r}"


def test_a_missing_secret_names_the_variable_to_set() -> None:
    with pytest.raises(InvalidInput, match="no secret 'nothing'") as caught:
        resolve_secret("secret://shop/nothing", EnvironmentSecrets())

    assert "SHOP__NOTHING" in str(caught.value)


def test_a_text_that_is_no_reference_is_not_repeated() -> None:
    with pytest.raises(InvalidInput) as caught:
        resolve_secret("hunter2", EnvironmentSecrets())

    assert "hunter2" not in str(caught.value)
