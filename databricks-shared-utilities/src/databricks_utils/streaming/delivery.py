"""Telling somebody about alerts: a topic of the broker, a webhook. At least once, with the same id each time.

What could not be told is an error, so that the batch is not noted as done: the stream's next start tells it again.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException, InvalidURL
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pyspark.sql import functions as F

from databricks_utils.errors import InvalidInput, RunFailed
from databricks_utils.retry import retry

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

WEBHOOK_SECONDS = 10
#: Posts of one batch, over about a quarter of a minute: a service that is started again is waited for.
ATTEMPTS = 5
#: Answers after which the same post may be taken: too slow, too early, too many.
#: Source: RFC 9110, section 15.5.9; RFC 8470, section 5.2; RFC 6585, section 4.
LATER = (408, 425, 429)
#: More alerts in one batch than a person can read are told as a number.
MOST_POSTED = 50


@dataclass(frozen=True)
class Delivery:
    """Where alerts go besides their table.

    Args:
        topic: Topic of the broker, or None.
        options: Options that reach the broker.
        webhook: Address that takes a POST of JSON, or None.
    """

    topic: str | None = None
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    webhook: str | None = field(default=None, repr=False)

    def tell(self, alerts: DataFrame, key: Sequence[str]) -> None:
        """Send alerts to everybody who is configured.

        The topic takes every alert. The webhook takes one post for each batch: `total`, the number of alerts, and
        `alerts`, the first `MOST_POSTED` of them in the order of their key.

        Raises:
            RunFailed: The webhook did not take them. The topic has them by then, and gets them again with the batch.
        """
        if self.topic:
            message = F.to_json(F.struct(*[F.col(name) for name in alerts.columns]))
            record = alerts.select(F.concat_ws("|", *key).alias("key"), message.alias("value"))
            record.write.format("kafka").options(**self.options).option("topic", self.topic).save()
        if self.webhook:
            total = alerts.count()
            first = alerts.orderBy(*key).limit(MOST_POSTED).select(F.to_json(F.struct("*")))
            post(self.webhook, {"alerts": [json.loads(row[0]) for row in first.collect()], "total": total})


def post(address: str, content: object, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Send JSON to an address, again after a pause where it may be taken then.

    Args:
        address: Begins with https:// or http://. It may hold a token, so that only its host is ever named.
        content: Becomes JSON.
        sleep: Waits; a test gives its own.

    Raises:
        InvalidInput: The address is not one of HTTP.
        RunFailed: It was not taken.
    """
    host = _host(address)
    body = json.dumps(content).encode()
    try:
        request = urllib.request.Request(address, data=body, headers={"Content-Type": "application/json"})
        retry(
            lambda: _OPENER.open(request, timeout=WEBHOOK_SECONDS).close(),
            attempts=ATTEMPTS,
            when=_may_pass,
            sleep=sleep,
        )
    except (OSError, HTTPException, ValueError) as error:
        # Not chained: what urllib says of an address repeats it.
        raise _not_told(host, error) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Makes a redirection an error: it would be followed by a GET without the alerts, whose answer says nothing."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow to nowhere."""


_OPENER = urllib.request.build_opener(_NoRedirect)


def _host(address: str) -> str:
    try:
        parts = urlsplit(address)
        host = parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        host = None
    if not host:
        raise InvalidInput("The webhook is no address", where="config: streaming.alerts.webhook", hint="https://…")
    return host


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code in LATER
    return not isinstance(error, InvalidURL | ValueError)


def _not_told(host: str, error: Exception) -> RunFailed:
    reason = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else type(error).__name__
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        reason = type(error.reason).__name__
    # `failure` knows both sentences: after the first the stream starts again by itself.
    message = f"No answer from the webhook at {host}" if _may_pass(error) else f"Refused by the webhook at {host}"
    hint = "The alerts are told when the stream goes on; check the secret that streaming.alerts.webhook names"
    return RunFailed(f"{message} ({reason})", where="streaming.alerts.webhook", hint=hint)
