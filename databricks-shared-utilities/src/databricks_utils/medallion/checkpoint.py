"""The life of a checkpoint, named inside it."""

from __future__ import annotations

import uuid
from pathlib import Path

#: For a stream's `maxFileAge`. By default Spark passes over a file more than a week older than the newest it has seen,
#: without a word: one file from a clock in the future, or one copied with its old time, and rows are lost.
ANY_AGE = "36500d"


def generation_file(checkpoint: str) -> Path:
    """Return the file that names the life of a checkpoint; where it is missing, the checkpoint was never used."""
    return Path(checkpoint) / "generation"


def generation_of(checkpoint: str) -> str:
    """Name this life of a checkpoint; the name is made on first use.

    Batch numbers start at 0 in a new checkpoint. Under the old name the Delta log would take the new batches for
    repeated ones and drop them silently, so the name is stored inside the checkpoint and goes with it.

    Args:
        checkpoint: The folder, in a place that this process can write to as a folder.
    """
    marker = generation_file(checkpoint)
    if marker.is_file():
        return marker.read_text(encoding="utf-8").strip()
    name = uuid.uuid4().hex
    marker.parent.mkdir(parents=True, exist_ok=True)
    partial = marker.with_name(f".generation-{name}")
    partial.write_text(name, encoding="utf-8")
    partial.replace(marker)
    return name
