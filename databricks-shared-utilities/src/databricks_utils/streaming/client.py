"""The broker of the configuration as a client outside Spark sees it: a producer, or a look at what topics there are.

Settings: librdkafka, "Configuration properties".
"""

from __future__ import annotations

import logging
from typing import Any

from databricks_utils.config import SecretProvider, Streaming, resolve_secret
from databricks_utils.errors import InvalidInput, MissingTool
from databricks_utils.streaming.broker import connection_options

_LOG = logging.getLogger(__name__)
#: Ways to sign in with a user and a password, and the user where it is always the same.
PASSWORDS = {"event_hubs_sas": "$ConnectionString", "sasl_plain": None, "sasl_scram": None}
ANSWER_SECONDS = 5
#: What a broker answers that gives its topics no ids; they came with Kafka 2.8.
NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"


def client_settings(streaming: Streaming, topic: str, secrets: SecretProvider) -> dict[str, Any]:
    """Return the settings of a client for the broker that the streams read from.

    Args:
        streaming: The section `streaming` of the configuration.
        topic: Name of the topic or event hub.
        secrets: Asked now, and only for what the settings need.

    Raises:
        InvalidInput: The client cannot sign in as the configuration says, or there is no such secret.
    """
    broker = streaming.broker
    options = connection_options(streaming, topic, secrets, databricks=False)
    settings: dict[str, Any] = {"bootstrap.servers": options["kafka.bootstrap.servers"]}
    if broker.ca_file:
        settings["ssl.ca.location"] = broker.ca_file
    if broker.authentication == "none":
        return settings
    if broker.authentication not in PASSWORDS:
        raise InvalidInput(
            f"A client outside Spark cannot sign in with {broker.authentication}",
            where="config: streaming.broker",
            hint="Take event_hubs_sas for it",
        )
    return settings | {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": options["kafka.sasl.mechanism"],
        "sasl.username": PASSWORDS[broker.authentication] or broker.username,
        "sasl.password": resolve_secret(str(broker.secret), secrets).get_secret_value(),
    }


class TopicIds:
    """Asks the broker for the ids of topics: one that is deleted and created again has another.

    Args:
        settings: From `client_settings`.

    Raises:
        MissingTool: The client is not installed.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        try:
            from confluent_kafka.admin import AdminClient  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            hint = "Install the extra: databricks-shared-utilities[kafka]"
            raise MissingTool("The client of Kafka is not installed", hint=hint) from None
        self._client = AdminClient({**settings, "log_level": 0})

    def of(self, topic: str) -> str | None:
        """Return the id of a topic; None where the broker knows none, has no such topic, or does not answer now."""
        from confluent_kafka import KafkaException, TopicCollection

        try:
            asked = self._client.describe_topics(TopicCollection([topic]), request_timeout=ANSWER_SECONDS)
            found = str(asked[topic].result(ANSWER_SECONDS).topic_id)
        except (KafkaException, TimeoutError) as error:
            _LOG.debug("no id of topic %s: %s", topic, error)
            return None
        return None if found == NO_ID else found
