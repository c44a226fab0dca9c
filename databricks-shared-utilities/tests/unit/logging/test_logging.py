"""Log lines are JSON with context, and hold no secrets."""

from __future__ import annotations

import io
import json
import logging

import pytest

from databricks_utils.logging import configure_logging, log_context, redacted

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
    ],
)
def test_credentials_and_addresses_are_masked(text: str, hidden: str) -> None:
    assert hidden not in redacted(text)
    assert "***" in redacted(text)


@pytest.mark.parametrize(
    "text", ["secret://shop/db-password", "silver.transactions: 12 rows", "a@b", "tokens: none left"]
)
def test_ordinary_text_stays_readable(text: str) -> None:
    assert redacted(text).split(":")[0] == text.split(":")[0]


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
