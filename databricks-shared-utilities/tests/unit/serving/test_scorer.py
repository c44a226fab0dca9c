"""What the service says before it can answer anybody. Without Spark and without models."""

from __future__ import annotations

import pytest
from little_models import PROJECT

from databricks_utils.errors import InvalidInput, LakehouseError
from databricks_utils.serving import Service
from databricks_utils.serving.scorer import Scorer, check_health, open_server


def test_a_port_that_is_taken_is_said_before_anything_else() -> None:
    with Service(0, {}) as server, pytest.raises(InvalidInput, match="--port=0"):
        open_server(None, server.server_address[1])  # type: ignore[arg-type]  # it is not asked


def test_health_is_that_of_the_store() -> None:
    class Store:
        def __init__(self, error: LakehouseError | None) -> None:
            self.error = error

        def check(self) -> None:
            if self.error is not None:
                raise self.error

    gone = LakehouseError("There is no file", where="online.db", hint="Publish again")
    found = [check_health(Scorer(PROJECT, Store(error), {}, 0.0, "first")) for error in (None, gone)]  # type: ignore[arg-type]

    assert [reply.status for reply in found] == [200, 503]
    assert "online.db" in found[1].content["detail"]
