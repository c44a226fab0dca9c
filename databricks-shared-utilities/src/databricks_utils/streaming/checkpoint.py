"""Where each query remembers how far it has come."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from databricks_utils.pipeline import Lakehouse
from databricks_utils.pipeline.checkpoint import generation_file, generation_of


def checkpoint_path(
    lakehouse: Lakehouse, pipeline: str, query: str, version: int, reads: Mapping[str, int] | None = None
) -> str:
    """Return the checkpoint of a query: one for each environment, query and version, never under a table.

    Args:
        lakehouse: The open lakehouse.
        pipeline: Name of the pipeline.
        query: Name of the query.
        version: Its own version.
        reads: Versions of the tables whose rows its state is made of. One that is raised gives the query a new
            checkpoint as well: a table that is filled again brings every row a second time, which state would count
            a second time.
    """
    configuration = lakehouse.configuration
    raised = "".join(f"-{table}-v{number}" for table, number in sorted((reads or {}).items()) if number > 1)
    return f"{configuration.storage.checkpoints}/{configuration.environment}/{pipeline}/{query}/v{version}{raised}"


def is_new(checkpoint: str) -> bool:
    """Say whether an appending query has not written under a checkpoint yet."""
    return not generation_file(checkpoint).is_file()


def application_id(query: str, table: str, checkpoint: str) -> str:
    """Return the name under which a query writes to a table; a new checkpoint has a new one.

    Delta skips a batch number it has seen under the same name. Without the generation a query that starts again from
    nothing would be skipped silently, batch by batch.
    """
    return f"{query}:{table}:{generation_of(checkpoint)}"


@dataclass(frozen=True)
class TablePosition:
    """How far a query has read a Delta table.

    Args:
        version: Newest version of which everything is read; -1 for none.
        is_whole: Nothing of a later version is read.
    """

    version: int
    is_whole: bool


def last_batch(checkpoint: str) -> int | None:
    """Return the number of the last batch that a query has noted as done; None before the first."""
    return max(_numbers(Path(checkpoint) / "commits"), default=None)


def table_position(checkpoint: str, batch: int) -> TablePosition | None:
    """Return how far a query had read its Delta table with a batch; None where its plan does not say it.

    Source: Delta Lake, class DeltaSourceOffset. An index below 0 lies before the first file of its version. The first
    version that a query reads is a snapshot of all that is in the table, in any order.
    """
    offset = next((found for found in _offsets(checkpoint, batch) if "reservoirVersion" in found), None)
    if offset is None:
        return None
    if offset.get("isStartingVersion"):
        return TablePosition(-1, False)
    return TablePosition(int(offset["reservoirVersion"]) - 1, int(offset["index"]) < 0)


def topic_position(checkpoint: str, topic: str) -> dict[int, int]:
    """Return the offset that a query reads next of each partition of a topic; nothing before its first batch.

    Source: Spark, class KafkaSourceOffset.
    """
    newest = last_batch(checkpoint)
    offsets = () if newest is None else _offsets(checkpoint, newest)
    found: Mapping[str, Any] = next((offset[topic] for offset in offsets if isinstance(offset.get(topic), dict)), {})
    return {int(partition): int(position) for partition, position in found.items()}


def _offsets(checkpoint: str, batch: int) -> Sequence[dict[str, Any]]:
    """Return the positions in a batch's plan; a file that is not there any more, or of another kind, has none."""
    try:
        lines = (Path(checkpoint) / "offsets" / str(batch)).read_text(encoding="utf-8").splitlines()
        found = [json.loads(line) for line in lines[1:] if line.startswith("{")]
    except (OSError, ValueError):
        return ()
    return [offset for offset in found if isinstance(offset, dict)]


def forget_last_batch(checkpoint: str | Path) -> int:
    """Make a checkpoint look as if the process had died between writing its last batch with rows and noting it.

    For tests: the next start repeats that batch, and a sink that is exactly-once must not change. Batches without rows,
    as Spark adds them at the end to move a watermark, are forgotten together with it: they would repeat nothing.

    Returns:
        The number of the batch.

    Raises:
        FileNotFoundError: No batch has been noted.
    """
    planned, noted = Path(checkpoint) / "offsets", Path(checkpoint) / "commits"
    numbers = _numbers(noted)
    if not numbers:
        raise FileNotFoundError(f"no batch is noted in {noted}")
    read = {number: _positions(planned / str(number)) for number in _numbers(planned)}
    last = next((number for number in reversed(numbers) if read.get(number) != read.get(number - 1)), numbers[0])
    for folder, first in ((noted, last), (planned, last + 1)):
        for number in _numbers(folder):
            if number >= first:
                for path in (folder / str(number), folder / f".{number}.crc"):
                    path.unlink(missing_ok=True)
    return last


def _numbers(folder: Path) -> Sequence[int]:
    return sorted(int(path.name) for path in folder.glob("*") if path.name.isdigit())


def _positions(plan: Path) -> Sequence[str]:
    """Return how far a batch reads each source: a plan has a version and the watermark in its first two lines."""
    return plan.read_text(encoding="utf-8").splitlines()[2:]
