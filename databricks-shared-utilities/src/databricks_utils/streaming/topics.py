"""Whether a topic is still the one that a stream has read.

A topic that is deleted and created again begins at offset 0. Once it is longer than the old one, Spark goes on at the
offset it had reached, and what lies before that is never read. The broker gives each topic an id, which is kept in the
checkpoint. Where there is none to compare, the last record that bronze has is compared with the broker's.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.config.secrets import secrets_of_place
from databricks_utils.errors import LakehouseError, RunFailed
from databricks_utils.pipeline import Lakehouse
from databricks_utils.streaming.broker import source_options
from databricks_utils.streaming.checkpoint import topic_position
from databricks_utils.streaming.client import TopicIds, client_settings
from databricks_utils.streaming.source import record_content

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_LOG = logging.getLogger(__name__)
#: File in the checkpoint of the stream that reads the topic.
FILE = "topic.json"
RUNBOOK = "docs/runbooks/topic-recreated.md"
#: Among so many offsets before the next one the last record is looked for; notes of transactions have offsets too.
LOOKED_BACK = 1000
#: How a look at single records differs from a stream.
LOOK = {"failOnDataLoss": "true", "kafkaConsumer.pollTimeoutMs": "10000"}
STREAM_ONLY = ("subscribe", "startingOffsets", "maxOffsetsPerTrigger")
#: What Spark says where a checkpoint has partitions that the topic lacks: a topic only ever gains some.
FEWER_PARTITIONS = "Partitions specified for Kafka start offsets don't match"


@dataclass(frozen=True)
class TopicWatch:
    """Looks whether a topic is still the one that a stream has read.

    Args:
        lakehouse: Gives the configuration and, for a look at records, the session.
        topic: Name of the topic.
        checkpoint: Of the stream.
        where: The stream's definition, for the message.
        table: The bronze table that has the records, or None.
    """

    lakehouse: Lakehouse
    topic: str
    checkpoint: str
    where: str
    table: str | None = None

    def look(self) -> None:
        """Look before the stream starts, or when it has died; what is seen for the first time is noted.

        Raises:
            RunFailed: The topic is another one, and `streaming.fail_on_data_loss` is true.
        """
        name, known = self._known() or (self.topic, None)
        now = self._id()
        if name != self.topic:
            self._refuse(f"This checkpoint is of the topic {name}, and the definition names {self.topic}")
        elif known is None:
            self._compare_records()
        elif now is not None:
            self._compare(known, now)
        if known is None or now is not None:
            self._note(now)

    def look_again(self) -> None:
        """Look at the id alone, while the stream runs.

        Raises:
            RunFailed: As `look`.
        """
        _, known = self._known() or (self.topic, None)
        if known is not None and (now := self._id()) is not None:
            self._compare(known, now)

    def _compare(self, known: str, now: str) -> None:
        if known != now:
            self._refuse(
                f"The topic {self.topic} is not the one that was read: it was deleted and created again, or "
                "streaming.broker names another broker"
            )

    def _compare_records(self) -> None:
        """Compare the last record that bronze has of each partition with the broker's of the same offset."""
        position = topic_position(self.checkpoint, self.topic)
        last = self._last_records(position)
        if not last:
            return
        offsets = {partition: offset for partition, (offset, _) in last.items()}
        try:
            found = {row.partition: row.content for row in self._records(offsets).collect()}
        except Exception as error:  # what Kafka says has other classes in classic Spark than over Connect
            if FEWER_PARTITIONS in str(error):
                self._refuse(f"The topic {self.topic} has fewer partitions than were read: it was created again")
            # They may have expired, or the broker may be away: the stream itself finds out what that means.
            _LOG.debug("records of topic %s not compared", self.topic, exc_info=error)
            return
        if any(found.get(partition, content) != content for partition, (_, content) in last.items()):
            self._refuse(f"The topic {self.topic} is not the one that was read: it has other records at their offsets")

    def _last_records(self, position: dict[int, int]) -> dict[int, tuple[int, int]]:
        """Return offset and content of the last record that bronze has of each partition."""
        if self.table is None or not position or not self.lakehouse.exists(self.table):
            return {}
        near = " OR ".join(
            f"(partition = {partition} AND offset >= {offset - LOOKED_BACK} AND offset < {offset})"
            for partition, offset in position.items()
        )
        rows = self.lakehouse.read(self.table).where(F.col("topic") == self.topic).where(near)
        newest = F.max_by(
            F.struct("offset", record_content().alias("content")), F.struct("offset", "_ingestion_timestamp")
        )
        found = rows.groupBy("partition").agg(newest.alias("last")).collect()
        return {row.partition: (row.last.offset, row.last.content) for row in found}

    def _records(self, offsets: dict[int, int]) -> DataFrame:
        options = source_options(self.lakehouse.configuration.streaming, self.topic, secrets_of_place())
        options = {key: value for key, value in options.items() if key not in STREAM_ONLY}
        bounds = {
            "assign": {self.topic: list(offsets)},
            "startingOffsets": {self.topic: offsets},
            "endingOffsets": {self.topic: {partition: offset + 1 for partition, offset in offsets.items()}},
        }
        texts = {key: json.dumps(value) for key, value in bounds.items()}
        reader = self.lakehouse.spark.read.format("kafka").options(**(options | LOOK | texts))
        return reader.load().select("partition", record_content().alias("content"))

    @cached_property
    def _ids(self) -> TopicIds | None:
        streaming = self.lakehouse.configuration.streaming
        try:
            return TopicIds(client_settings(streaming, self.topic, secrets_of_place()))
        except LakehouseError as error:
            _LOG.info("ids of topics are not looked at: %s", error.message)
            return None

    def _id(self) -> str | None:
        return None if self._ids is None else self._ids.of(self.topic)

    def _refuse(self, message: str) -> None:
        if not self.lakehouse.configuration.streaming.fail_on_data_loss:
            _LOG.warning("%s; streaming.fail_on_data_loss is false, so the stream goes on", message)
            return
        hint = f"Nothing more is read. {RUNBOOK} says what to do with what is there and how to go on"
        raise RunFailed(message, where=self.where, hint=hint)

    def _known(self) -> tuple[str, str | None] | None:
        """Return name and id of the topic that the stream has read; None before it has read any."""
        try:
            found = json.loads((Path(self.checkpoint) / FILE).read_text(encoding="utf-8"))
            return str(found["topic"]), found["id"]
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _note(self, identity: str | None) -> None:
        path = Path(self.checkpoint) / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{FILE}.partial")
        partial.write_text(json.dumps({"topic": self.topic, "id": identity}), encoding="utf-8")
        partial.replace(path)
