"""Events for a real broker: some at once, a load that goes on while something else happens, poison of every kind."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType

from confluent_kafka import Producer
from little_tills import payment, sale

from databricks_utils.session.connect import free_port
from databricks_utils.session.java import find_java
from databricks_utils.testing import KafkaBroker

SALES, PAYMENTS = "tills.sales", "tills.payments"
#: A fifth of these is sent twice, as a till does whose connection broke, each thirtieth is poison, and each fourth sale
#: is not paid.
TWICE, POISONED, UNPAID = 5, 30, 4
#: Pause of a load after each event.
PAUSE_SECONDS = 0.004
CONNECTION_STRING = "Endpoint=sb://tills.servicebus.windows.net/;SharedAccessKeyName=listen;SharedAccessKey=bGlzdGVu="
STORE_PASSWORD = "only-for-a-test"


def now() -> datetime:
    return datetime.now(timezone.utc)


def poison() -> Sequence[bytes | None]:
    """Return a message of every kind that silver must refuse, and none of which may stop a stream."""
    text = json.dumps(sale(99, now().isoformat()))
    kinds: Sequence[object] = (
        sale(98, (now() - timedelta(hours=2)).isoformat()),
        sale(97, (now() + timedelta(days=9000)).isoformat()),
        sale(96, now().isoformat(), "much"),
        sale(95, now().isoformat(), store={"number": 1}),
        sale(94, now().isoformat(), -1),
        {"sale_id": "s93", "event_time": 7, "store_id": 1, "amount": 1},
        {"sale_id": None, "event_time": now().isoformat(), "store_id": 1, "amount": 1},
        [text],
        "s92",
        17,
        None,
    )
    raw = (
        b"not json",
        b"",
        b" ",
        b"\x00",
        b'{"sale_id": "s91", "store_id": "\xff\xfe"}',
        text[:-3].encode(),
        b"x" * 2**20,
    )
    return (*(json.dumps(kind).encode() for kind in kinds), *raw, None)


def producer_of(broker: KafkaBroker) -> Producer:
    return Producer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "enable.idempotence": True,
            "message.max.bytes": 2**21,
            "log_level": 0,
        }
    )


def encoded(event: object) -> bytes | None:
    """Return what is sent for an event: bytes and nothing at all as they are, everything else as JSON."""
    return event if event is None or isinstance(event, bytes) else json.dumps(event).encode()


def produce(broker: KafkaBroker, topic: str, events: Iterable[object], partition: int = -1) -> None:
    """Send events, which are bytes, nothing at all, or JSON, and wait until the broker has them."""
    producer = producer_of(broker)
    for event in events:
        producer.produce(topic, encoded(event), partition=partition)
    assert producer.flush(60) == 0


class Load:
    """Sales and their payments, in a thread of their own, whether the broker lives or not, until the end of the block.

    Args:
        broker: Takes them.
        first: Number of the first sale.
    """

    def __init__(self, broker: KafkaBroker, first: int = 0) -> None:
        self.number, self.records, self.poisoned = first, dict.fromkeys((SALES, PAYMENTS), 0), 0
        self.first = first
        self._producer = producer_of(broker)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    @property
    def sales(self) -> set[str]:
        """Ids of all sales that were sent."""
        return {f"s{number}" for number in range(self.first, self.number)}

    @property
    def paid(self) -> set[str]:
        """Ids of those that were paid, each at the moment of the sale."""
        return {f"s{number}" for number in range(self.first, self.number) if number % UNPAID}

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        assert self._producer.flush(60) == 0

    def _go_on(self) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            moment = now().isoformat()
            copies = 1 if self.number % TWICE else 2
            self._send(SALES, *[sale(self.number, moment)] * copies)
            if self.number % UNPAID:
                self._send(PAYMENTS, *[payment(self.number, moment)] * copies)
            if self.number % POISONED == 0:
                self._send(SALES, b"not json")
                self.poisoned += 1
            self.number += 1

    def _send(self, topic: str, *events: object) -> None:
        for event in events:
            self._producer.produce(topic, encoded(event))
            self._producer.poll(0)
            self.records[topic] += 1


def event_hubs_lookalike(folder: Path) -> tuple[KafkaBroker, str, Path]:
    """Return a broker that lets in as Azure Event Hubs does, not yet started, its address for that, its certificate.

    TLS with a certificate that only `ca_file` makes trusted, and the user `$ConnectionString`.
    """
    keytool = find_java("4.1").executable.with_name("keytool")
    store, certificate = folder / "store.p12", folder / "ca.pem"
    common = ["-keystore", str(store), "-storepass", STORE_PASSWORD, "-alias", "broker"]
    made = ["-genkeypair", "-keyalg", "RSA", "-dname", "CN=127.0.0.1", "-ext", "san=ip:127.0.0.1", "-validity", "2"]
    subprocess.run([str(keytool), *made, "-storetype", "PKCS12", *common], check=True, capture_output=True)
    shown = ["-exportcert", "-rfc", "-file", str(certificate)]
    subprocess.run([str(keytool), *shown, *common], check=True, capture_output=True)
    broker = KafkaBroker(folder / "broker")
    address = f"127.0.0.1:{free_port()}"
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    broker.settings |= {
        "listeners": f"PLAINTEXT://{broker.bootstrap_servers},SASL_SSL://{address},{broker.controller}",
        "advertised.listeners": f"PLAINTEXT://{broker.bootstrap_servers},SASL_SSL://{address}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL",
        "inter.broker.listener.name": "PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{login} user_$ConnectionString="{CONNECTION_STRING}";',
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": str(store),
        "ssl.keystore.password": STORE_PASSWORD,
        "message.max.bytes": str(2**21),
    }
    return broker, address, certificate
