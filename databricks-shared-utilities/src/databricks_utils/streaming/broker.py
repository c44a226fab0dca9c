"""Options of Spark's Kafka source and sink from configuration: pure functions, tested without a JVM.

Sources: Apache Kafka documentation, "Security"; Microsoft, "Use Azure Event Hubs from Apache Kafka applications";
Databricks documentation, "Connect to Apache Kafka".
"""

from __future__ import annotations

from collections.abc import Mapping

from databricks_utils.config import Broker, SecretProvider, Streaming, resolve_secret
from databricks_utils.errors import InputProblems, InvalidInput, LakehouseError
from databricks_utils.runtime import on_databricks

#: Sources of events that are topics.
BROKERS = ("kafka", "event_hubs")
EVENT_HUBS_PORT = ":9093"
#: What each way to authenticate needs of the section `streaming.broker`.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "sasl_plain": ("username", "secret"),
    "sasl_scram": ("username", "secret"),
    "event_hubs_sas": ("secret",),
    "event_hubs_entra": ("tenant_id", "client_id", "secret"),
    "service_credential": ("service_credential",),
}
#: Azure closes a connection that was idle for 240 s.
EVENT_HUBS_TIMES: Mapping[str, str] = {
    "kafka.request.timeout.ms": "60000",
    "kafka.session.timeout.ms": "30000",
    "kafka.connections.max.idle.ms": "180000",
    "kafka.metadata.max.age.ms": "180000",
}


def check_streaming(streaming: Streaming) -> None:
    """Find everything wrong with the section `streaming` before anything is started.

    Raises:
        InputProblems: The source needs a broker and none is named, or a way to authenticate lacks something.
    """
    broker, problems = streaming.broker, list[LakehouseError]()
    where = "config: streaming.broker"
    if streaming.source in BROKERS:
        if not broker.bootstrap_servers:
            hint = "Write host:port, or take source: files"
            problems.append(InvalidInput(f"source: {streaming.source} needs a broker", where=where, hint=hint))
        for key in NEEDED[broker.authentication]:
            if getattr(broker, key) is None:
                message = f"authentication: {broker.authentication} needs {key}"
                problems.append(InvalidInput(message, where=f"{where}.{key}", hint=f"Write {key}: …"))
        problems += _event_hubs_problems(streaming, where)
    if problems:
        raise InputProblems(problems)


def _event_hubs_problems(streaming: Streaming, where: str) -> list[LakehouseError]:
    if streaming.source != "event_hubs":
        return []
    broker, problems = streaming.broker, list[LakehouseError]()
    if broker.authentication == "none":
        hint = "Write authentication: event_hubs_sas, event_hubs_entra or service_credential"
        problems.append(InvalidInput("Event Hubs lets nobody in without authentication", where=where, hint=hint))
    servers = broker.bootstrap_servers or ""
    if servers.partition(":")[0].endswith(".windows.net") and not servers.endswith(EVENT_HUBS_PORT):
        hint = "Write <namespace>.servicebus.windows.net:9093"
        problems.append(InvalidInput("Event Hubs speaks Kafka on port 9093", where=where, hint=hint))
    return problems


def source_options(
    streaming: Streaming, topic: str, secrets: SecretProvider, *, databricks: bool | None = None
) -> dict[str, str]:
    """Return the options that read a topic.

    Args:
        streaming: The configuration's section.
        topic: Name of the topic or event hub.
        secrets: Asked now, and only for what the options need.
        databricks: Whether Kafka's classes are the runtime's; found out by default.

    Raises:
        InputProblems: As in `check_streaming`.
        InvalidInput: There is no such secret, or it is for another event hub.
    """
    options = {
        **connection_options(streaming, topic, secrets, databricks=databricks),
        "subscribe": topic,
        "startingOffsets": streaming.starting_offsets,
        "failOnDataLoss": str(streaming.fail_on_data_loss).lower(),
        "includeHeaders": "true",
    }
    if streaming.max_events_per_batch is not None:
        options["maxOffsetsPerTrigger"] = str(streaming.max_events_per_batch)
    return options


def connection_options(
    streaming: Streaming, topic: str, secrets: SecretProvider, *, databricks: bool | None = None
) -> dict[str, str]:
    """Return the options that reach the broker, for a source and a sink alike; arguments as in `source_options`."""
    check_streaming(streaming)
    databricks = on_databricks() if databricks is None else databricks
    broker = streaming.broker
    options = {"kafka.bootstrap.servers": str(broker.bootstrap_servers)}
    if streaming.source == "event_hubs":
        options |= EVENT_HUBS_TIMES
    if broker.ca_file:
        options |= {"kafka.ssl.truststore.type": "PEM", "kafka.ssl.truststore.location": broker.ca_file}
    if broker.authentication == "service_credential":
        if not databricks:
            hint = "Use event_hubs_sas or event_hubs_entra here"
            raise InvalidInput("Service credentials exist on Databricks only", where="config: streaming", hint=hint)
        return options | {"databricks.serviceCredential": str(broker.service_credential)}
    return options | _login(broker, topic, secrets, databricks)


def _login(broker: Broker, topic: str, secrets: SecretProvider, databricks: bool) -> dict[str, str]:
    if broker.authentication == "none":
        return {}
    secret = resolve_secret(str(broker.secret), secrets).get_secret_value()
    options = {"kafka.security.protocol": "SASL_SSL"}
    plain, prefix = "plain.PlainLoginModule", "kafkashaded." if databricks else ""
    if broker.authentication == "event_hubs_sas":
        if "EntityPath=" in secret and f"EntityPath={topic}" not in secret.split(";"):
            hint = "Take the connection string of the namespace, or of this event hub"
            raise InvalidInput("The connection string is for another event hub", where=f"topic {topic}", hint=hint)
        entry = _jaas(prefix, plain, username="$ConnectionString", password=secret)
        return options | {"kafka.sasl.mechanism": "PLAIN", "kafka.sasl.jaas.config": entry}
    if broker.authentication == "event_hubs_entra":
        host = str(broker.bootstrap_servers).partition(":")[0]
        entry = _jaas(
            prefix,
            "oauthbearer.OAuthBearerLoginModule",
            clientId=str(broker.client_id),
            clientSecret=secret,
            scope=f"https://{host}/.default",
        )
        handler = "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler"
        return options | {
            "kafka.sasl.mechanism": "OAUTHBEARER",
            "kafka.sasl.login.callback.handler.class": f"{prefix}{handler}",
            "kafka.sasl.oauthbearer.token.endpoint.url": (
                f"https://login.microsoftonline.com/{broker.tenant_id}/oauth2/v2.0/token"
            ),
            "kafka.sasl.jaas.config": entry,
        }
    scram = broker.authentication == "sasl_scram"
    module = "scram.ScramLoginModule" if scram else plain
    return options | {
        "kafka.sasl.mechanism": "SCRAM-SHA-512" if scram else "PLAIN",
        "kafka.sasl.jaas.config": _jaas(prefix, module, username=str(broker.username), password=secret),
    }


def _jaas(prefix: str, module: str, **values: str) -> str:
    entries = " ".join(f'{key}="{_escaped(value)}"' for key, value in values.items())
    return f"{prefix}org.apache.kafka.common.security.{module} required {entries};"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
