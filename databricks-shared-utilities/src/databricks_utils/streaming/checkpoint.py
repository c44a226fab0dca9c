"""Where each query remembers how far it has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from databricks_utils.medallion import Lakehouse
from databricks_utils.medallion.checkpoint import generation_file, generation_of


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
