"""Where produced events go: files of the landing folder, or the topics of a broker."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from databricks_utils.config import Streaming
from databricks_utils.errors import MissingTool, RunFailed
from databricks_utils.streaming import client_settings
from databricks_utils.streaming.source import secrets_of_place

from {{ cookiecutter.package_name }}.producer.events import TOPICS, Event

FLUSH_SECONDS = 30


def to_files(landing: Path, name: str, events: Iterable[Event]) -> int:
    """Write events as one JSON lines file for each topic; a stream sees a file only when it is whole.

    Args:
        landing: Folder with a folder for each topic.
        name: Name of the files without ending.
        events: What to write.

    Returns:
        How many were written.
    """
    count = 0
    partial = {topic: landing / topic / f".{name}.partial" for topic in TOPICS}
    with ExitStack() as stack:
        files = {}
        for topic, path in partial.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            files[topic] = stack.enter_context(path.open("wb"))
        for event in events:
            files[event.topic].write(event.value + b"\n")
            count += 1
    for path in partial.values():
        path.replace(path.with_name(f"{name}.jsonl"))
    return count


class BrokerSink:
    """Sends events to the broker of the configuration; every event is acknowledged, and sent once.

    Args:
        streaming: The section `streaming` of the configuration.

    Raises:
        MissingTool: The client is not installed.
        InvalidInput: The client cannot sign in as the configuration says.
    """

    def __init__(self, streaming: Streaming) -> None:
        """Reach for the broker; nothing is sent yet."""
        try:
            from confluent_kafka import Producer
        except ImportError:
            raise MissingTool("The client of Kafka is not installed", hint="uv sync") from None
        self._failed: list[str] = []
        self._producer: Any = Producer(producer_settings(streaming))

    def send(self, event: Event) -> None:
        """Hand one event over; it is sent in the background."""
        while True:
            try:
                self._producer.produce(event.topic, event.value, event.key, on_delivery=self._told)
            except BufferError:
                self._producer.poll(0.1)
            else:
                break
        self._producer.poll(0)

    def close(self) -> None:
        """Wait until everything is acknowledged.

        Raises:
            RunFailed: Some events were not.
        """
        left = self._producer.flush(FLUSH_SECONDS)
        if left or self._failed:
            reason = self._failed[0] if self._failed else "no answer"
            raise RunFailed(f"{left + len(self._failed)} events were not acknowledged: {reason}")

    def _told(self, error: Any, _: Any) -> None:
        if error is not None:
            self._failed.append(str(error))


def producer_settings(streaming: Streaming) -> dict[str, Any]:
    """Return the settings of a producer for the broker that the streams read from.

    Args:
        streaming: The section `streaming` of the configuration.

    Raises:
        InvalidInput: The client cannot sign in as the configuration says.
    """
    faultless = {"enable.idempotence": True, "compression.type": "lz4", "linger.ms": 20}
    return client_settings(streaming, TOPICS[0], secrets_of_place()) | faultless
