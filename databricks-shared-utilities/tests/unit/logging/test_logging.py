"""Log lines are JSON for machines, one line for people, bear their context, and hold no secrets."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import textwrap
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest

from databricks_utils.errors import InvalidInput
from databricks_utils.logging import configure_logging, log_context, redacted
from databricks_utils.logging.redaction import conceal, concealed

LOGGER = logging.getLogger("databricks_utils.test")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("password=hunter2 next", "hunter2"),
        ('{"api_key": "abc123"}', "abc123"),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("token dapi0123456789abcdef", "dapi0123456789abcdef"),
        ("jdbc:sqlserver://u:hunter2@host/db", "hunter2"),
        ("AccountKey=QUJD;EndpointSuffix=x", "QUJD"),
        ("mail ann@example.com failed", "ann@example.com"),
        ("https://u:p@ssw0rd@host/db", "ssw0rd"),
        ('{"password": "ab\\"cdef"}', "cdef"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("https://a.blob.core.windows.net/c/x.csv?sv=1&sig=abcDEF%3D&se=2", "abcDEF"),
        ("https://b.s3.amazonaws.com/x?X-Amz-Signature=0123abcd", "0123abcd"),
        ("key ASIAABCDEFGHIJKLMNOP", "ABCDEFGHIJKLMNOP"),
    ],
)
def test_credentials_and_addresses_are_masked(text: str, hidden: str) -> None:
    assert hidden not in redacted(text)
    assert "***" in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "secret://shop/db-password",
        "password: secret://shop/key",
        "silver.transactions: 12 rows",
        "a@b",
        "no tokens left",
    ],
)
def test_ordinary_text_stays_readable(text: str) -> None:
    assert redacted(text) == text


CANARY = "c4n/+ 'ary'\u00e9-7Q"
PEM = "-----BEGIN KEY-----\nMIIc4naryAbCdEf\nGhIjKlMnOpQrSt\n-----END KEY-----\n"


@pytest.mark.parametrize(
    "written",
    [
        lambda text: text,
        str.upper,
        lambda text: quote(text),
        lambda text: quote_plus(text).lower(),
        lambda text: urlencode({"password": text}).partition("=")[2],
        lambda text: repr(text.encode())[2:-1],
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
        lambda text: base64.b64encode(text.encode()).decode()[:-3],
        lambda text: base64.urlsafe_b64encode(b"user:" + text.encode() + b"@host").decode()[7:-8],
        lambda text: base64.b64encode(b"me:" + text.encode() + b".").decode()[4:-3],
        lambda text: json.dumps(json.dumps(text))[3:-3],
    ],
)
def test_a_secret_is_masked_in_whatever_way_it_is_written(written: Callable[[str], str]) -> None:
    conceal(CANARY)

    shown = redacted(f"before {written(CANARY)} after")

    assert written(CANARY) not in shown
    assert shown.startswith("before ")
    assert "***" in shown


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("c4nary-with-an-end\n", "c4nary-with-an-end"),
        ("  c4nary-with-blanks ", "c4nary-with-blanks"),
        (PEM, PEM.strip()),
        (PEM, PEM.replace("\n", "\r\n")),
        (PEM, textwrap.indent(PEM, "  ")),
        (PEM, "cannot read GhIjKlMnOpQrSt"),
        (PEM.replace("\n", "\\n"), PEM),
        (json.dumps({"key": PEM}), PEM),
    ],
)
def test_a_secret_that_is_stripped_indented_or_cut_into_lines_is_masked(secret: str, shown: str) -> None:
    conceal(secret)

    assert not {"c4nary", "ghijklmnopqrst"} & set(re.split(r"[^a-z0-9]+|abcdef|with", concealed(shown).lower()))


def test_values_that_are_no_text_are_redacted_and_the_line_is_json() -> None:
    stream = io.StringIO()
    configure_logging("INFO", "json", stream)
    conceal(CANARY)

    LOGGER.info("done", extra={"error": ValueError(CANARY), "status": [CANARY], "duration_seconds": float("nan")})

    (line,) = stream.getvalue().splitlines()
    found = json.loads(line, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert (found["error"], "c4n" in line) == ("***", False)


def test_a_line_carries_its_context_its_fields_and_no_secret() -> None:
    stream = io.StringIO()
    configure_logging("INFO", "json", stream)

    with log_context(pipeline="shop", table="silver.orders"):
        LOGGER.info("written by %s", "ann@example.com", extra={"event": "written", "rows": 3})
    LOGGER.info("outside")

    inside, outside = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (inside["pipeline"], inside["table"], inside["event"], inside["rows"]) == (
        "shop",
        "silver.orders",
        "written",
        3,
    )
    assert inside["timestamp"].endswith("+00:00")
    assert "ann@example.com" not in stream.getvalue()
    assert "table" not in outside


def test_an_exception_becomes_one_field() -> None:
    stream = io.StringIO()
    configure_logging("INFO", "json", stream)

    try:
        raise ValueError("password=hunter2")
    except ValueError:
        LOGGER.exception("failed")

    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["error"] == "ValueError: password=***"


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Return the environment of a machine that is neither Databricks nor set up for a style."""
    for name in ("DATABRICKS_UTILS_LOG", "DATABRICKS_RUNTIME_VERSION"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def finished(stream: io.StringIO, style: str = "auto", level: str = "INFO") -> str:
    """Return what is said about a table that is done."""
    configure_logging(level, style, stream)
    with log_context(pipeline="shop", batch_id="b1", table="silver.orders"):
        facts = {"event": "table_finished", "rows": 1_469_307, "duration_seconds": 12.34, "status": "succeeded"}
        LOGGER.info("table finished", extra=facts)
    return stream.getvalue()


@pytest.mark.usefixtures("elsewhere")
def test_into_a_pipe_a_finished_table_is_one_line_for_people() -> None:
    line = finished(io.StringIO())

    time, _, rest = line.partition(" ")
    assert len(time) == len("05:30:15")
    assert rest == "INFO    silver.orders table finished: succeeded, 1,469,307 rows, 12.3 s\n"


@pytest.mark.usefixtures("elsewhere")
def test_on_a_terminal_the_table_of_the_run_says_it_and_warnings_are_lines() -> None:
    stream = Terminal()

    assert finished(stream) == ""
    LOGGER.warning("slow")
    assert stream.getvalue().endswith("WARNING slow\n")
    assert "table finished" in finished(Terminal(), level="DEBUG")
    assert "table finished" in finished(Terminal(), "console")


@pytest.mark.parametrize("stream", [io.StringIO, Terminal], ids=["pipe", "terminal"])
def test_json_is_what_the_variable_or_the_configuration_asks_for(
    elsewhere: pytest.MonkeyPatch, stream: type[io.StringIO]
) -> None:
    assert json.loads(finished(stream(), "json"))["table"] == "silver.orders"

    elsewhere.setenv("DATABRICKS_UTILS_LOG", "json")
    assert json.loads(finished(stream()))["rows"] == 1_469_307
    assert "silver.orders table finished" in finished(stream(), "console")


def test_on_databricks_lines_are_json_unless_somebody_asks_for_others(elsewhere: pytest.MonkeyPatch) -> None:
    elsewhere.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")

    assert json.loads(finished(io.StringIO()))["status"] == "succeeded"
    elsewhere.setenv("DATABRICKS_UTILS_LOG", "console")
    assert finished(io.StringIO()).endswith("12.3 s\n")


def test_a_style_that_is_none_is_refused(elsewhere: pytest.MonkeyPatch) -> None:
    elsewhere.setenv("DATABRICKS_UTILS_LOG", "jsn")

    with pytest.raises(InvalidInput) as caught:
        configure_logging()

    assert str(caught.value).splitlines() == [
        "'jsn' is no style of log lines",
        "  where: DATABRICKS_UTILS_LOG",
        "  hint:  Write json or console",
    ]


@pytest.mark.usefixtures("elsewhere")
def test_an_error_is_one_line_for_people_too() -> None:
    stream = io.StringIO()
    configure_logging("INFO", "auto", stream)

    error = ValueError("password=hunter2 refused\nand a second line")
    LOGGER.error("table failed\nbadly", exc_info=error, extra={"table": "silver.orders", "status": "failed"})

    (line,) = stream.getvalue().splitlines()
    assert line.endswith("ERROR   silver.orders table failed badly: ValueError: password=*** refused")
