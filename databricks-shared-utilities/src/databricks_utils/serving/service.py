"""HTTP on the loopback interface: JSON in, JSON out, and nothing that a client sends ends it or shows its code.

Every refusal is a problem in JSON. Source of its form: RFC 9457, Problem Details for HTTP APIs.
"""

from __future__ import annotations

import io
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LOG = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
LONGEST_BODY = 10_000
#: Bytes, and seconds, for which a refused body is read and thrown away: a connection closed before loses the answer.
_LEFT_OVER, _LEFT_OVER_SECONDS = 1 << 26, 5.0
_ORIGIN = re.compile(r"^https?://[^/?#]*")
_DIGITS = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class Reply:
    """What a route answers.

    Args:
        status: Of HTTP.
        content: JSON; a problem where the status is 400 or more.
    """

    status: int
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Route:
    """A path that can be asked.

    Args:
        method: `GET` or `POST`; HEAD goes with GET.
        answer: Takes the body, empty for GET.
    """

    method: str
    answer: Callable[[bytes], Reply]

    @property
    def methods(self) -> tuple[str, ...]:
        """What may be sent to it."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


def problem(status: int, detail: str) -> Reply:
    """Return a refusal as RFC 9457 has it; `error` is what the detail was called before."""
    title = HTTPStatus(status).phrase
    return Reply(status, {"type": "about:blank", "title": title, "status": status, "detail": detail, "error": detail})


class Service(ThreadingHTTPServer):
    """A server on the loopback interface.

    Args:
        port: 0 takes any free one.
        routes: By path.
        patience: Seconds that a client has for a request, and that a connection without one stays open.
        most: Connections at a time; those beyond are told so and closed.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, routes: Mapping[str, Route], *, patience: float = 10.0, most: int = 64) -> None:
        """Take the port; requests are answered once `serve_forever` is called."""
        super().__init__((LOOPBACK, port), _Handler)
        self.routes = routes
        self.patience = patience
        self._places = threading.BoundedSemaphore(most)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, as long as there are not too many."""
        if not self._places.acquire(blocking=False):
            with suppress(OSError):
                request.sendall(_BUSY)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Give the place back at the end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note that a connection broke off, where the base class prints a traceback."""
        _LOG.info("a connection broke off", exc_info=_LOG.isEnabledFor(logging.DEBUG))


class _Reading(io.RawIOBase):
    """Bytes of a socket until a moment, however slowly they come.

    A timeout of the socket alone begins anew with every byte.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._end = 0.0
        self.began = False

    def begin(self, seconds: float) -> None:
        """Let the time run from now, for bytes of which none has come yet."""
        self._end = time.monotonic() + seconds
        self.began = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        count = self._connection.recv_into(buffer)
        self.began = self.began or count > 0
        return count


class _Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"
    # A request line that cannot be read is answered with a status line too.
    default_request_version = "HTTP/1.0"
    server_version, sys_version = "scoring", ""
    # Answers are written in two parts, and the second must not wait for the first to be acknowledged.
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._reading = _Reading(self.connection)
        self.rfile = io.BufferedReader(self._reading)
        self._unread = False

    def handle_one_request(self) -> None:
        self._reading.begin(self.server.patience)
        self.raw_requestline, self.requestline, self.command, self.request_version = b"", "", "", "HTTP/1.0"
        try:
            # A line that is empty may stand before a request: some clients send one after a body.
            while (line := self.rfile.readline(65537)) in (b"\r\n", b"\n"):
                pass
            self.raw_requestline = line
            if not self.raw_requestline:
                self.close_connection = True
            elif len(self.raw_requestline) > 65536:
                self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
            elif self.parse_request():
                self._answer()
        except TimeoutError:
            self.close_connection = True
            if self._reading.began:
                self._unread = True
                self._send(problem(408, f"The request did not end within {self.server.patience:g} seconds"))
        except ConnectionError:
            self.close_connection = True
        except Exception:
            _LOG.exception("a request could not be answered")
            self.close_connection = True
            self._send(problem(500, "The request could not be answered; the log of the service says why"))

    def handle_expect_100(self) -> bool:
        """Ask for the body only where it would be taken."""
        return False if self._refused() else super().handle_expect_100()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with a problem what the base class would answer with a page: it has read no sound request."""
        self.close_connection = self._unread = True
        self._send(problem(code, message or HTTPStatus(code).description or HTTPStatus(code).phrase))

    def log_message(self, format: str, *args: object) -> None:
        """Keep requests out of the terminal: keys of entities are personal data."""

    def finish(self) -> None:
        if self._unread:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)
                self._reading.begin(min(self.server.patience, _LEFT_OVER_SECONDS))
                left = _LEFT_OVER
                while left > 0 and (part := self._reading.read(min(left, 65536))):
                    left -= len(part)
        super().finish()

    def _answer(self) -> None:
        if self._refused():
            return
        route = self.server.routes[self._path]
        length = int(self.headers.get("Content-Length", "0")) if route.method == "POST" else 0
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            self._send(problem(400, f"The body ended after {len(body)} of {length} bytes"))
            return
        self._send(route.answer(body))

    @property
    def _path(self) -> str:
        return _ORIGIN.sub("", self.path).partition("?")[0]

    def _refused(self) -> bool:
        """Refuse what can be refused by its head; then the body stays unread and the connection ends."""
        if self._cut():
            # What the head says of a body may stand behind that line, and the body would be the next request.
            self.send_error(HTTPStatus.BAD_REQUEST, "A line of the head is no header: write Name: value")
            return True
        route = self.server.routes.get(self._path)
        lengths = self.headers.get_all("Content-Length", [])
        chunked = "Transfer-Encoding" in self.headers
        if route is None or route.method != "POST" or self.command not in route.methods:
            # A body that nobody wants must not be taken for the next request.
            self._unread = bool(lengths) or chunked
            self.close_connection = self.close_connection or self._unread
        headers = {}
        if route is None:
            known = ", ".join(f"{item.method} {path}" for path, item in self.server.routes.items())
            reply = problem(404, f"There are {known}")
        elif self.command not in route.methods:
            headers = {"Allow": ", ".join(route.methods)}
            reply = problem(405, f"{self._path} is asked by {' or '.join(route.methods)}")
        elif route.method != "POST":
            return False
        else:
            found = self._fault(lengths, chunked)
            if found is None:
                return False
            reply = found
            self.close_connection = self._unread = True
        self._send(reply, headers)
        return True

    def _cut(self) -> bool:
        """Whether the head has a line at which reading it as headers ends, or begins with one that is passed over."""
        return bool(self.headers.defects or self.headers.get_payload() or self.headers.get_unixfrom())

    def _fault(self, lengths: list[str], chunked: bool) -> Reply | None:
        """Return what is wrong with the head of a request that has a body."""
        if chunked and lengths:
            return problem(400, "Content-Length and Transfer-Encoding exclude each other")
        if not lengths:
            return problem(411, "Say in Content-Length how long the body is")
        length = lengths[0].strip(" \t")
        if len(lengths) > 1 or not _DIGITS.fullmatch(length):
            return problem(400, "Content-Length is no number of bytes")
        if len(length) > 9 or int(length) > LONGEST_BODY:
            return problem(413, f"The body may have {LONGEST_BODY} bytes")
        if self.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            return problem(415, "Send the body without Content-Encoding")
        media = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media != "application/json" or self.headers.get_content_charset("utf-8") != "utf-8":
            return problem(415, "Send JSON in UTF-8, with Content-Type: application/json")
        return None

    def _send(self, reply: Reply, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(reply.content, allow_nan=False).encode()
        if self.request_version == "HTTP/0.9":  # of which the base class would leave out status and headers
            self.request_version = "HTTP/1.0"
        try:
            self.connection.settimeout(self.server.patience)
            self.send_response(reply.status)
            for name, value in {**_head(reply, len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
        except OSError:  # the client has gone, or does not read
            self.close_connection = True


def _head(reply: Reply, length: int) -> dict[str, str]:
    kind = "application/problem+json" if reply.status >= 400 else "application/json"
    again = {"Retry-After": "1"} if reply.status == 503 else {}
    return {"Content-Type": kind, "Content-Length": str(length), **again}


def _raw(reply: Reply) -> bytes:
    body = json.dumps(reply.content).encode()
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in _head(reply, len(body)).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


_BUSY = _raw(problem(503, "Too many connections at a time; try again"))
