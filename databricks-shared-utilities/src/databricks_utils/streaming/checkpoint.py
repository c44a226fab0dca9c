"""Where each query remembers how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from databricks_utils.medallion import Lakehouse
from databricks_utils.medallion.checkpoint import generation_of


def checkpoint_path(lakehouse: Lakehouse, pipeline: str, query: str, version: int) -> str:
    """Return the checkpoint of a query: one for each environment, query and version, never under a table."""
    configuration = lakehouse.configuration
    return f"{configuration.storage.checkpoints}/{configuration.environment}/{pipeline}/{query}/v{version}"


def application_id(query: str, table: str, checkpoint: str) -> str:
    """Return the name under which a query writes to a table; a new checkpoint has a new one.

    Delta skips a batch number it has seen under the same name. Without the generation a query that starts again from
    nothing would be skipped silently, batch by batch.
    """
    return f"{query}:{table}:{generation_of(checkpoint)}"


def forget_last_batch(checkpoint: str | Path) -> int:
    """Make a checkpoint look as if the process had died between writing its last batch and noting it.

    For tests: the next start repeats that batch, and a sink that is exactly-once must not change.

    Returns:
        The number of the batch.

    Raises:
        FileNotFoundError: No batch has been noted.
    """
    noted = Path(checkpoint) / "commits"
    numbers: Sequence[int] = sorted(int(path.name) for path in noted.glob("*") if path.name.isdigit())
    if not numbers:
        raise FileNotFoundError(f"no batch is noted in {noted}")
    for path in (noted / str(numbers[-1]), noted / f".{numbers[-1]}.crc"):
        path.unlink(missing_ok=True)
    return numbers[-1]
