"""A webhook on this machine that keeps what it is told and answers as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: A part of the address that nobody else may see.
TOKEN = "B0unded/hush"


class Hook:
    """What a webhook was told, and its next answers; without any it takes everything.

    Args:
        address: Where it listens, with its token.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.taken: list[Any] = []
        self.asked: list[str] = []
        self.answers: list[int] = []


@contextmanager
def listening() -> Iterator[Hook]:
    """Return a webhook that listens until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.asked.append(self.command)
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = hook.answers.pop(0) if hook.answers else 200
            if answer == 200:
                hook.taken.append(content)
            self.send_response(answer)
            if 300 <= answer < 400:
                self.send_header("Location", hook.address)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            hook.asked.append(self.command)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook = Hook(f"http://127.0.0.1:{server.server_port}/{TOKEN}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
