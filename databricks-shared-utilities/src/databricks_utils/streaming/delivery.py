"""Telling somebody about alerts: a topic of the broker, a webhook. At least once, with the same id each time."""

from __future__ import annotations

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.errors import InvalidInput
from databricks_utils.retry import retry

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_LOG = logging.getLogger(__name__)
WEBHOOK_SECONDS = 10
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
        """Send alerts to everybody who is configured; an address that does not answer holds nobody else up."""
        if self.topic:
            message = F.to_json(F.struct(*[F.col(name) for name in alerts.columns]))
            record = alerts.select(F.concat_ws("|", *key).alias("key"), message.alias("value"))
            record.write.format("kafka").options(**self.options).option("topic", self.topic).save()
        if self.webhook:
            total = alerts.count()
            shown = [json.loads(row[0]) for row in alerts.limit(MOST_POSTED).select(F.to_json(F.struct("*"))).collect()]
            post(self.webhook, {"alerts": shown, "total": total})


def post(address: str, content: object) -> bool:
    """Send JSON to an address, again after a pause where it does not answer, and say whether it was taken.

    Raises:
        InvalidInput: The address is not one of HTTP.
    """
    if not address.startswith(("http://", "https://")):
        # The address may hold a token, so it is not repeated.
        raise InvalidInput("The webhook is no address", where="config: streaming.alerts.webhook", hint="https://…")
    body = json.dumps(content).encode()
    request = urllib.request.Request(address, data=body, headers={"Content-Type": "application/json"})
    try:
        retry(lambda: urllib.request.urlopen(request, timeout=WEBHOOK_SECONDS).close(), when=_may_pass)
    except (urllib.error.URLError, TimeoutError) as error:
        _LOG.error("the webhook was not told: %s", type(error).__name__, extra={"event": "webhook_failed"})
        return False
    return True


def _may_pass(error: BaseException) -> bool:
    return not isinstance(error, urllib.error.HTTPError) or error.code >= 500
