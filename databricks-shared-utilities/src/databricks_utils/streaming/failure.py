"""Why a stream stopped, in the words of whoever has to do something about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from databricks_utils.errors import LakehouseError
from databricks_utils.logging import redacted
from databricks_utils.logging.redaction import concealed

#: Errors after which the same query succeeds when it is built anew, since its plan is from before a change.
#: Source: Delta Lake documentation, "Table streaming reads and writes: Schema changes".
CHANGED_UNDERNEATH = ("DELTA_SCHEMA_CHANGED", "DELTA_STREAMING_SCHEMA", "Detected schema change")
#: A broker, or who is told about alerts, that does not answer for some time, as while it is started again.
#: Source: Apache Kafka, package org.apache.kafka.common.errors, classes of RetriableException.
AWAY = (
    "No answer from the webhook",
    "common.errors.TimeoutException",
    "common.errors.DisconnectException",
    "common.errors.CoordinatorNotAvailableException",
    "common.errors.LeaderNotAvailableException",
    "Failed to construct kafka consumer",
    "Timed out waiting for a node assignment",
)


@dataclass(frozen=True)
class Cause:
    """A cause that a user can do something about.

    Args:
        pattern: Found in the error's text, stack frames included.
        message: What is wrong; it may name groups of the pattern.
        hint: What to do.
    """

    pattern: str
    message: str
    hint: str


_GO_ON = "The batch is not noted as done, so that its alerts are told when the stream runs again"
CAUSES = (
    Cause(
        r"No answer from the webhook at (\S+) \(([\w ]+)\)",
        r"the webhook at \1 does not answer (\2)",
        f"{_GO_ON}; without streaming.alerts.webhook they are in their table alone",
    ),
    Cause(
        r"Refused by the webhook at (\S+) \(([\w ]+)\)",
        r"the webhook at \1 refused the alerts (\2)",
        f"Correct the secret that streaming.alerts.webhook names. {_GO_ON}",
    ),
    Cause(
        r"SaslAuthenticationException|Authentication failed|invalid credentials",
        "the broker refused the login",
        "Check the secret that streaming.broker.secret names, and that it may read this topic",
    ),
    Cause(
        r"SslAuthenticationException|SSL handshake failed|PKIX path",
        "the broker's certificate is not trusted, or it does not speak TLS",
        "Name the authority's certificate in streaming.broker.ca_file, and check the port",
    ),
    Cause(
        r"(?:Topic|Group)AuthorizationException",
        "the login may not read this topic",
        "Let it read the topic, and describe its groups",
    ),
    Cause(
        r"UnknownTopicOrPartitionException",
        "the broker has no such topic",
        "Create the topic, or correct its name in the pipeline definition",
    ),
    Cause(
        r"KAFKA_DATA_LOSS|offset was changed from|OffsetOutOfRangeException|Some data may have been lost",
        "the broker no longer has what was to be read next: it has deleted events, or the topic was created again",
        "docs/runbooks/topic-recreated.md tells the two apart; streaming.fail_on_data_loss: false goes on without them",
    ),
)


def explained(error: BaseException) -> str | None:
    """Return what is wrong and what to do about it, or None where the error has to speak for itself."""
    text = str(error)
    for cause in CAUSES:
        found = re.search(cause.pattern, text)
        if found:
            return f"{found.expand(cause.message)}. {cause.hint}"
    return text if isinstance(error, LakehouseError) else None


def described(error: BaseException) -> str:
    """Return what to say about an error, without secrets: one line, and below it where and what to do, if known."""
    known = explained(error)
    if known:
        return redacted(known)
    lines = [line for line in concealed(str(error)).splitlines() if line.strip()] or ["no message"]
    return redacted(f"{type(error).__name__}: {lines[0]}")


def is_over_soon(error: BaseException) -> bool:
    """Say whether a query can go on when it is built anew: its tables have changed, or the broker was away."""
    return any(name in str(error) for name in (*CHANGED_UNDERNEATH, *AWAY))
