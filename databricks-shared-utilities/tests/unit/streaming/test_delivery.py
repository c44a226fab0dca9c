"""Telling a webhook, which is a server on this machine here."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from databricks_utils.errors import InvalidInput
from databricks_utils.streaming import forget_last_batch
from databricks_utils.streaming.delivery import post


class Hook(BaseHTTPRequestHandler):
    taken: list[Any]
    answer = 200

    def do_POST(self) -> None:
        self.taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.answer)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing on the terminal."""


@pytest.fixture
def hook() -> Iterator[tuple[str, type[Hook]]]:
    handler = type("OwnHook", (Hook,), {"taken": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/token", handler
    server.shutdown()
    server.server_close()


def test_alerts_are_posted_as_json(hook: tuple[str, type[Hook]]) -> None:
    address, handler = hook

    assert post(address, {"alerts": [{"store_id": 1}], "total": 1})
    assert handler.taken == [{"alerts": [{"store_id": 1}], "total": 1}]


def test_a_hook_that_refuses_is_told_once_and_stops_nobody(
    hook: tuple[str, type[Hook]], caplog: pytest.LogCaptureFixture
) -> None:
    address, handler = hook
    handler.answer = 403

    assert not post(address, {})
    assert len(handler.taken) == 1
    assert "token" not in caplog.text


def test_an_address_of_another_kind_is_refused_without_being_repeated() -> None:
    with pytest.raises(InvalidInput) as raised:
        post("file:///etc/passwd", {})

    assert "passwd" not in str(raised.value)


def test_forgetting_a_batch_takes_the_last_note_and_its_checksum(tmp_path: Path) -> None:
    (tmp_path / "commits").mkdir()
    for name in ("9", "10", ".9.crc", ".10.crc"):
        (tmp_path / "commits" / name).touch()

    assert forget_last_batch(tmp_path) == 10
    assert sorted(path.name for path in (tmp_path / "commits").iterdir()) == [".9.crc", "9"]
