"""What the watermark of a silver stream drops is found again and put into the quarantine.

Spark drops an event that lies behind the watermark without a word about which it was; it only counts. That count is
what starts a look at the bronze rows of the batches concerned: a valid event whose key the silver table lacks was
dropped. So nothing is done where nothing is dropped, and checkpoints stay as they are.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.delta import append, changed_rows, rows_at
from databricks_utils.pipeline import Lakehouse, quarantine_of
from databricks_utils.pipeline.checkpoint import generation_of
from databricks_utils.pipeline.kept import kept
from databricks_utils.streaming.checkpoint import last_batch, table_position
from databricks_utils.streaming.definition import StreamSilver
from databricks_utils.streaming.events import late_events, prepare_events
from databricks_utils.streaming.progress import BatchProgress
from databricks_utils.streaming.source import bronze_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: File in the checkpoint of the silver stream.
FILE = "late.json"


@dataclass(frozen=True)
class _Note:
    """What the next process has to know.

    Args:
        version: Newest version of bronze whose dropped events are in the quarantine.
        until: Version up to which they are being put there, or None.
        running: The stream runs, or the process that ran it has died.
    """

    version: int
    until: int | None = None
    running: bool = False


class LateEvents:
    """Puts into the quarantine what one silver stream has dropped.

    `begin` comes before the stream starts, `settle` while it runs and at its end, `end` last. A process that dies in
    between leaves a note, by which the next one looks at everything since.

    Args:
        lakehouse: The open lakehouse.
        node: The silver table.
        checkpoint: Of its stream.

    Attributes:
        found: Events that this process has put into the quarantine while the stream ran.
        unaccounted: Events that the stream has dropped and nobody has looked for.
    """

    def __init__(self, lakehouse: Lakehouse, node: StreamSilver, checkpoint: str) -> None:
        self.found = self.unaccounted = 0
        self._has_begun = False
        self._lakehouse, self._node, self._checkpoint = lakehouse, node, checkpoint
        self._quarantine = quarantine_of(node.table)
        self._version, self._seen, self._is_open = -1, 0, False

    def begin(self) -> bool:
        """Look at what a process that died has left, before the stream starts; say whether this was the first call."""
        if self._has_begun:
            return False
        newest = last_batch(self._checkpoint)
        position = None if newest is None else table_position(self._checkpoint, newest)
        note = self._read()
        if note is None:
            # What was dropped before there were notes is not looked for: all of bronze would have to be.
            self._version = position.version if position else -1
        else:
            self._version = note.version
            if note.until is not None:
                self._put_aside(note.until, None)
            if note.running and position is not None:
                self._put_aside(position.version, None)
                self._is_open = not position.is_whole
        self.found, self._has_begun = 0, True
        self._write(running=True)
        return True

    def settle(self, batch: BatchProgress, dropped: int) -> None:
        """Look at the batches since the last time, if the stream has dropped anything.

        Args:
            batch: The newest report of the stream.
            dropped: Rows behind the watermark in all batches up to this one.
        """
        position = table_position(self._checkpoint, batch.batch_id)
        self.unaccounted = dropped - self._seen
        if position is None:
            return
        if dropped > self._seen or self._is_open:
            # The rest of a version that is read in part may hold some of them; it is looked at with the next batch.
            self._seen, self._is_open = dropped, not position.is_whole
            self._put_aside(position.version, batch.watermark)
        self.unaccounted = 0
        self._version = max(self._version, position.version)
        self._write(running=True)

    def end(self) -> None:
        """Note that the stream has stopped in order; what it dropped and nobody has looked for stays to be done."""
        if self._has_begun:
            self._write(running=self._is_open or self.unaccounted > 0)

    def _put_aside(self, until: int, watermark: datetime | None) -> None:
        if until <= self._version:
            return
        self._write(running=True, until=until)
        with kept(self._dropped(until, watermark)) as rows:
            number = rows.count()
            if number:
                application = f"{self._quarantine}:late:{generation_of(self._checkpoint)}"
                identifier, folder = (
                    self._lakehouse.identifier(self._quarantine),
                    self._lakehouse.folder(self._quarantine),
                )
                append(self._lakehouse.spark, identifier, rows, transaction=(application, until), folder=folder)
        self.found += number
        self._version = until

    def _append(self, rows: DataFrame, until: int) -> None:
        lakehouse, application = self._lakehouse, f"{self._quarantine}:late:{generation_of(self._checkpoint)}"
        identifier, folder = lakehouse.identifier(self._quarantine), lakehouse.folder(self._quarantine)
        append(lakehouse.spark, identifier, rows, transaction=(application, until), folder=folder)

    def _dropped(self, until: int, watermark: datetime | None) -> DataFrame:
        """Return what was dropped of the bronze rows since the last look; all of it lies before the watermark."""
        lakehouse, node = self._lakehouse, self._node
        lakehouse.exists(node.reads)
        bronze, contract = lakehouse.identifier(node.reads), lakehouse.contract(node.table)
        if self._version < 0:
            received = rows_at(lakehouse.spark, bronze, until)
        else:
            received = changed_rows(lakehouse.spark, bronze, self._version, until).where("_change_type = 'insert'")
        labelled = prepare_events(bronze_rows(received), contract, lakehouse, node)
        stored = lakehouse.read(node.table)
        if watermark is not None:
            labelled = labelled.where(F.col(node.watermark.column) <= F.lit(watermark))
        return late_events(labelled, stored, contract, node)

    def _read(self) -> _Note | None:
        try:
            return _Note(**json.loads((Path(self._checkpoint) / FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _write(self, *, running: bool, until: int | None = None) -> None:
        note = _Note(self._version, until, running)
        path = Path(self._checkpoint) / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{FILE}.partial")
        partial.write_text(json.dumps(dataclasses.asdict(note)), encoding="utf-8")
        partial.replace(path)
