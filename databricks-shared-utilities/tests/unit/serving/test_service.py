"""What the service answers to clients of every kind, over sockets of this machine. Without Spark and without models."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from databricks_utils.serving import InvalidRequest, Reply, Route, Service, parse_request, problem
from databricks_utils.serving.service import LONGEST_BODY

KEY = "household_id"
SOUND = b'{"household_id": 113}'
HEAD = b"POST /score HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
STATUSES = {200, 400, 404, 405, 408, 411, 413, 414, 415, 431, 505}
STRICT = settings(max_examples=150, deadline=None, derandomize=True)


def echoed(body: bytes) -> Reply:
    """Answer with what was asked."""
    try:
        return Reply(200, {"household_id": parse_request(body, KEY).entity})
    except InvalidRequest as error:
        return problem(400, str(error))


@contextmanager
def served(patience: float = 10.0, most: int = 64) -> Iterator[Service]:
    routes = {"/score": Route("POST", echoed), "/health": Route("GET", lambda _: Reply(200, {"status": "up"}))}
    server = Service(0, routes, patience=patience, most=most)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def server() -> Iterator[Service]:
    """Return one server, which has to outlive all tests."""
    with served() as found:
        yield found


def connected(server: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=30)


def said_to(server: Service, sent: bytes) -> bytes:
    """Send bytes, say that no more come, and return everything that is answered."""
    with closing(connected(server)) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def answers_in(data: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Take the answers of a connection apart, by their own lengths and to the last byte."""
    found = []
    while data:
        head, mark, rest = data.partition(b"\r\n\r\n")
        assert mark, data
        first, *lines = head.decode("ascii").split("\r\n")
        if first == "HTTP/1.1 100 Continue":
            data = rest
            continue
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        assert first.startswith("HTTP/1."), first
        length = int(headers["content-length"])
        assert len(rest) >= length, data
        found.append((int(first.split()[1]), headers, rest[:length]))
        data = rest[length:]
    return found


def posted(body: bytes, *more: bytes) -> bytes:
    return b"".join([HEAD, b"Content-Length: %d\r\n" % len(body), *(line + b"\r\n" for line in more), b"\r\n", body])


def assert_sound(server: Service, sent: bytes) -> None:
    """The answers are whole, of known statuses, and problems are problems; then the next client is served."""
    for status, headers, body in answers_in(said_to(server, sent)):
        assert status in STATUSES, (status, body)
        kind = "application/json" if status == 200 else "application/problem+json"
        assert headers["content-type"] == kind
        assert status == 200 or json.loads(body)["status"] == status
    ((status, _, body),) = answers_in(said_to(server, posted(SOUND)))
    assert (status, json.loads(body)) == (200, {"household_id": 113})


@pytest.mark.parametrize(
    ("sent", "status", "detail"),
    [
        (posted(b"[" * 9000), 400, "brackets"),
        (posted(b'{"household_id": ' + b"[" * 4000 + b"]" * 4000 + b"}"), 400, "brackets"),
        (posted(b"x" * (LONGEST_BODY + 1)), 413, "10000 bytes"),
        (HEAD + b"Content-Length: 99999999999999999999\r\n\r\n", 413, "10000 bytes"),
        (HEAD + b"Expect: 100-continue\r\nContent-Length: 20000\r\n\r\n", 413, "10000 bytes"),
        (HEAD + b"Content-Length: -1\r\n\r\n", 400, "no number"),
        (HEAD + b"Content-Length: many\r\n\r\n", 400, "no number"),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, "no number"),
        (HEAD + b"Content-Length: 500\r\n\r\n{}", 400, "ended after 2 of 500"),
        (HEAD + b"\r\n", 411, "Content-Length"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 411, "Content-Length"),
        (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}", 400, "exclude"),
        (posted(SOUND, b"Content-Encoding: gzip"), 415, "Content-Encoding"),
        (posted(SOUND).replace(b"application/json", b"text/plain"), 415, "application/json"),
        (posted(SOUND).replace(b"application/json", b"application/json; charset=latin-1"), 415, "UTF-8"),
        (posted(SOUND).replace(b"Content-Type: application/json\r\n", b""), 415, "application/json"),
        (posted(b'{"household_id": 113}\xff'), 400, "no JSON"),
        (posted('{"household_id": 113}'.encode("utf-16")), 400, "no JSON"),
        (posted(b""), 400, "no JSON"),
        (posted(b'{"household_id": NaN}'), 400, "NaN"),
        (posted(b'{"household_id": -Infinity}'), 400, "Infinity"),
        (posted(b'{"household_id": 1, "household_id": 2}'), 400, "twice"),
        (posted(b'{"household_id": "113"}'), 400, "whole number"),
        (posted(b'{"household_id": 113.0}'), 400, "whole number"),
        (posted(b'{"household_id": true}'), 400, "whole number"),
        (posted(b'{"household_id": null}'), 400, "whole number"),
        (posted(b'{"household_id": 9223372036854775808}'), 400, "64 bits"),
        (posted(b'{"household_id": ' + b"9" * 5000 + b"}"), 400, ""),
        (posted(b'{"household": 113}'), 400, "household_id"),
        (posted(b'{"household_id": 113, "At": 1}'), 400, "household_id"),
        (posted(b"113"), 400, "household_id"),
        (posted(b'{"household_id": 113, "at": "2018-01-02T00:00:00"}'), 400, "offset"),
        (posted(b'{"household_id": 113, "at": "0001-01-01T00:00:00+23:59"}'), 400, "offset"),
        (posted(b'{"household_id": 113, "at": 5}'), 400, "offset"),
        (b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n", 404, "POST /score"),
        (HEAD + b"no header\r\nContent-Length: 21\r\n\r\n" + SOUND, 400, "no header"),
        (HEAD + b"Content-Length : 21\r\n\r\n" + SOUND, 400, "no header"),
        (HEAD + b"Content-Length: \x0b21\r\n\r\n" + SOUND, 400, "no number"),
        (b"GET /health HTTP/1.1\r\nFrom me\r\nHost: h\r\n\r\n", 400, "no header"),
        (b"no request at all\r\n\r\n", 400, ""),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, ""),
        (b"GET /health HTTP/9.9\r\nHost: h\r\n\r\n", 505, ""),
        (b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\n\r\n", 414, ""),
        (b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431, ""),
        (b"GET /health HTTP/1.1\r\nX: " + b"y" * 70000 + b"\r\n\r\n", 431, ""),
    ],
    ids=lambda value: repr(value[:70]) if isinstance(value, bytes) else "",
)
def test_what_is_no_request_is_a_problem_in_json_and_the_next_one_is_answered(
    server: Service, capfd: pytest.CaptureFixture[str], sent: bytes, status: int, detail: str
) -> None:
    ((found, headers, body),) = answers_in(said_to(server, sent))

    problem_said = json.loads(body)
    assert (found, problem_said["status"]) == (status, status), problem_said
    assert headers["content-type"] == "application/problem+json"
    assert detail in problem_said["detail"]
    assert_sound(server, sent)
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "GET", "HEAD"])
def test_another_method_is_told_which_one_is_meant(server: Service, method: str) -> None:
    connection = HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)

    connection.request(method, "/score", SOUND if method in ("PUT", "PATCH") else None)
    answer = connection.getresponse()
    body = answer.read()
    connection.request("BREW" if method == "GET" else method, "/health")
    other = connection.getresponse()
    other.read()
    connection.close()

    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert method == "HEAD" or json.loads(body)["title"] == "Method Not Allowed"
    assert other.status == (200 if method == "HEAD" else 405)
    assert method == "HEAD" or other.headers["Allow"] == "GET, HEAD"


def test_a_connection_carries_many_requests_and_a_refusal_between_them(server: Service) -> None:
    sent = posted(SOUND) + posted(b"[]") + b"GET /health?now HTTP/1.1\r\nHost: h\r\n\r\n" + posted(SOUND)

    found = answers_in(said_to(server, sent))

    assert [status for status, _, _ in found] == [200, 400, 200, 200]


def test_a_client_that_sends_megabytes_before_it_reads_still_gets_its_answer(server: Service) -> None:
    """A connection that is closed while bytes are on their way is reset, and the answer with it."""
    ((status, headers, _),) = answers_in(said_to(server, posted(b"x" * 20_000_000)))

    assert (status, headers["connection"]) == (413, "close")


def test_a_refused_body_is_not_taken_for_the_next_request(server: Service) -> None:
    """Were the connection kept, the body of the PUT would be answered as a request of its own."""
    inside = posted(SOUND)
    sent = b"PUT /score HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(inside) + inside

    assert [status for status, _, _ in answers_in(said_to(server, sent))] == [405]


@pytest.mark.parametrize(
    "line", [b"no header", b"Content-Length : %d", b"X\x00: y", b"\xe9: y", b": nameless", b"From me", b"X y: z"]
)
def test_behind_a_line_that_is_no_header_no_body_is_taken_for_a_request(server: Service, line: bytes) -> None:
    """The length of the body stands behind that line, where nobody reads any more."""
    inside = posted(SOUND)
    length = b"Content-Length: %d" % len(inside)
    for path, method in ((b"/health", b"GET"), (b"/nowhere", b"DELETE"), (b"/score", b"POST")):
        head = b"%s %s HTTP/1.1\r\n" % (method, path)

        found = answers_in(said_to(server, head + line.replace(b"%d", b"9") + b"\r\n" + length + b"\r\n\r\n" + inside))

        assert [status for status, _, _ in found] == [400]


def test_an_empty_line_between_requests_is_passed_over(server: Service) -> None:
    """RFC 9112, section 2.2; clients that end a body with one would get no answer to what follows."""
    sent = b"\r\n" + posted(SOUND) + b"\r\n" + posted(SOUND) + b"\n\r\n" + b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"

    assert [status for status, _, _ in answers_in(said_to(server, sent))] == [200, 200, 200]


@STRICT
@given(st.binary(max_size=400))
def test_no_bytes_end_the_service(server: Service, sent: bytes) -> None:
    assert_sound(server, sent)


@STRICT
@given(
    st.sampled_from([b"POST", b"GET", b"PUT", b"", b"\x00"]),
    st.sampled_from([b"/score", b"/health", b"/", b"*", b"//score", b"http://[", b"/score?\xff"]),
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/x.y", b""]),
    st.lists(
        st.sampled_from(
            [
                b"Content-Length: 21",
                b"Content-Length: 5",
                b"Content-Length: \xb2",
                b"Content-Type: application/json",
                b"Content-Type: \xff",
                b"Content-Type: application/json; charset*=x''y",
                b"Transfer-Encoding: chunked",
                b"Expect: 100-continue",
                b"Connection: keep-alive",
                b"Connection: close",
                b": nameless",
                b"no colon",
                b" folded",
            ]
        ),
        max_size=6,
    ),
    st.one_of(st.just(SOUND), st.binary(max_size=60)),
)
def test_no_mixture_of_parts_of_requests_ends_the_service(
    server: Service, method: bytes, path: bytes, version: bytes, headers: list[bytes], body: bytes
) -> None:
    assert_sound(server, b"\r\n".join([b" ".join([method, path, version]), *headers, b"", body]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@STRICT
@given(st.dictionaries(st.sampled_from(["household_id", "at", "x"]), JSON) | JSON)
def test_what_is_asked_is_a_whole_number_or_a_problem(asked: object) -> None:
    """An oracle in two lines: only an integer of 64 bits that JSON itself gives, under this one key."""
    wanted = asked.get("household_id") if isinstance(asked, dict) and asked.keys() == {"household_id"} else None
    sound = type(wanted) is int and -(2**63) <= wanted < 2**63

    try:
        found: int | None = parse_request(json.dumps(asked).encode("utf-8", "surrogatepass"), KEY).entity
    except InvalidRequest:
        found = None

    if sound or not (isinstance(asked, dict) and "at" in asked):
        assert found == (wanted if sound else None)


def test_slow_and_silent_clients_are_told_so_and_do_not_keep_others_waiting() -> None:
    """One sends half a head, one half a body, one nothing; each has a thread, and time that ends."""
    with served(patience=0.3) as server:
        halves = [b"POST /score HT", HEAD + b"Content-Length: 100\r\n\r\n{", b""]
        clients = [connected(server) for _ in halves]
        for client, half in zip(clients, halves, strict=True):
            client.sendall(half)

        ((status, _, _),) = answers_in(said_to(server, posted(SOUND)))
        ends = [b"".join(iter(lambda client=client: client.recv(65536), b"")) for client in clients]  # type: ignore[misc]
        for client in clients:
            client.close()

    assert status == 200
    assert [[found for found, _, _ in answers_in(end)] for end in ends] == [[408], [408], []]


def test_a_client_that_sends_byte_by_byte_has_no_more_time_than_others() -> None:
    """A timeout of the socket begins anew with each byte, so that such a client would never end."""
    with served(patience=0.3) as server, closing(connected(server)) as client:
        client.settimeout(0.05)
        got = b""
        while not got:
            client.sendall(b"x")
            try:
                got = client.recv(65536)
            except TimeoutError:
                continue
        client.settimeout(30)
        got += b"".join(iter(lambda: client.recv(65536), b""))

    assert [found for found, _, _ in answers_in(got)] == [408]


def test_a_client_that_hangs_up_is_no_error(server: Service, capfd: pytest.CaptureFixture[str]) -> None:
    for sent in (b"", b"POST /sc", HEAD + b"Content-Length: 100\r\n\r\n{", posted(SOUND) * 50):
        with closing(connected(server)) as client:
            # With this, closing sends a reset, as a process that is killed does.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            client.sendall(sent)

    assert_sound(server, b"")
    assert "Traceback" not in "".join(capfd.readouterr())


def test_connections_beyond_the_most_are_told_to_come_again() -> None:
    with served(most=1) as server, closing(connected(server)) as first:
        first.sendall(posted(SOUND))
        assert first.recv(65536)

        ((status, headers, body),) = answers_in(said_to(server, b""))

        first.sendall(posted(SOUND))
        assert first.recv(65536)

    assert (status, headers["retry-after"]) == (503, "1")
    assert json.loads(body)["detail"] == "Too many connections at a time; try again"


def test_a_fault_inside_is_told_without_its_code(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: bytes) -> Reply:
        raise KeyError("a secret place")

    server = Service(0, {"/score": Route("POST", broken)})
    threading.Thread(target=server.serve_forever, daemon=True).start()

    ((status, _, body),) = answers_in(said_to(server, posted(SOUND)))
    server.shutdown()
    server.server_close()

    assert status == 500
    assert b"secret" not in body
