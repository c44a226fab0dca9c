"""Options of the Kafka source, as Kafka, Event Hubs and Databricks document them; no JVM."""

from __future__ import annotations

from typing import Any

import pytest

from databricks_utils.config import Streaming
from databricks_utils.errors import InputProblems, InvalidInput
from databricks_utils.streaming import connection_options, source_options
from databricks_utils.testing import FakeSecrets

EVENT_HUBS = "shop.servicebus.windows.net:9093"
STRING = "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=listen;SharedAccessKey=a2V5="
SECRETS = {"hubs/string": STRING, "hubs/entra": "s3cret", "kafka/password": 'pass"word\\'}


def section(source: str = "kafka", servers: str | None = "broker:9092", **broker: Any) -> Streaming:
    return Streaming.model_validate({"source": source, "broker": {"bootstrap_servers": servers, **broker}})


def options(streaming: Streaming, *, databricks: bool = False, topic: str = "sales") -> dict[str, str]:
    return source_options(streaming, topic, FakeSecrets(SECRETS), databricks=databricks)


def test_an_open_broker_needs_its_address_and_loses_nothing_silently() -> None:
    assert options(section()) == {
        "kafka.bootstrap.servers": "broker:9092",
        "subscribe": "sales",
        "startingOffsets": "earliest",
        "failOnDataLoss": "true",
        "includeHeaders": "true",
    }


def test_a_batch_can_be_limited() -> None:
    streaming = Streaming.model_validate(
        {"source": "kafka", "max_events_per_batch": 500, "broker": {"bootstrap_servers": "broker:9092"}}
    )

    assert options(streaming)["maxOffsetsPerTrigger"] == "500"


def test_event_hubs_with_a_connection_string() -> None:
    streaming = section("event_hubs", EVENT_HUBS, authentication="event_hubs_sas", secret="secret://hubs/string")

    found = options(streaming)

    assert found["kafka.security.protocol"] == "SASL_SSL"
    assert found["kafka.sasl.mechanism"] == "PLAIN"
    assert found["kafka.sasl.jaas.config"] == (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'username="$ConnectionString" password="{STRING}";'
    )
    assert int(found["kafka.connections.max.idle.ms"]) < 240_000


def test_event_hubs_with_an_application_of_entra() -> None:
    login = {"tenant_id": "t-1", "client_id": "c-1", "secret": "secret://hubs/entra"}
    streaming = section("event_hubs", EVENT_HUBS, authentication="event_hubs_entra", **login)

    found = options(streaming, databricks=True)

    assert found["kafka.sasl.mechanism"] == "OAUTHBEARER"
    assert found["kafka.sasl.oauthbearer.token.endpoint.url"].endswith("/t-1/oauth2/v2.0/token")
    assert 'scope="https://shop.servicebus.windows.net/.default"' in found["kafka.sasl.jaas.config"]
    assert found["kafka.sasl.login.callback.handler.class"].startswith("kafkashaded.org.apache.kafka")


@pytest.mark.parametrize(("databricks", "prefix"), [(True, "kafkashaded.org"), (False, "org")])
def test_classes_have_the_names_of_the_place_the_code_runs_in(databricks: bool, prefix: str) -> None:
    streaming = section(authentication="sasl_scram", username="till", secret="secret://kafka/password")

    found = options(streaming, databricks=databricks)

    assert found["kafka.sasl.jaas.config"].startswith(f"{prefix}.apache.kafka.common.security.scram")
    assert found["kafka.sasl.mechanism"] == "SCRAM-SHA-512"


def test_quotes_in_a_password_do_not_end_it() -> None:
    streaming = section(authentication="sasl_plain", username="till", secret="secret://kafka/password")

    assert 'password="pass\\"word\\\\";' in options(streaming)["kafka.sasl.jaas.config"]


def test_a_service_credential_needs_no_secret_and_databricks() -> None:
    streaming = section("event_hubs", EVENT_HUBS, authentication="service_credential", service_credential="hubs")

    found = options(streaming, databricks=True)

    assert found["databricks.serviceCredential"] == "hubs"
    assert not any("jaas" in key for key in found)
    with pytest.raises(InvalidInput, match="on Databricks only"):
        options(streaming, databricks=False)


def test_a_string_for_another_event_hub_is_refused_without_being_repeated() -> None:
    secrets = FakeSecrets({"hubs/string": f"{STRING};EntityPath=clicks"})
    streaming = section("event_hubs", EVENT_HUBS, authentication="event_hubs_sas", secret="secret://hubs/string")

    with pytest.raises(InvalidInput, match="another event hub") as raised:
        connection_options(streaming, "sales", secrets, databricks=False)

    assert "SharedAccessKey" not in str(raised.value)


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(InputProblems) as raised:
        options(section("event_hubs", None, authentication="event_hubs_entra"))

    text = str(raised.value)
    assert all(key in text for key in ("needs a broker", "tenant_id", "client_id", "needs secret"))


@pytest.mark.parametrize(
    ("servers", "authentication", "message"),
    [
        ("shop.servicebus.windows.net:9092", "event_hubs_sas", "port 9093"),
        (EVENT_HUBS, "none", "without authentication"),
    ],
)
def test_what_event_hubs_would_refuse_is_refused_here(servers: str, authentication: str, message: str) -> None:
    streaming = section("event_hubs", servers, authentication=authentication, secret="secret://hubs/string")

    with pytest.raises(InputProblems, match=message):
        options(streaming)


def test_a_certificate_authority_is_handed_over_as_a_file() -> None:
    found = options(section(ca_file="/etc/ca.pem"))

    assert (found["kafka.ssl.truststore.type"], found["kafka.ssl.truststore.location"]) == ("PEM", "/etc/ca.pem")
