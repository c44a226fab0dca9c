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
    return _noted(generation_file(checkpoint), uuid.uuid4().hex)


def fills_another(checkpoint: str, identity: str, *, is_new: bool) -> bool:
    """Say whether a checkpoint has filled another table than the one of its name now, whose rows are gone.

    What it has read it does not read again, so the table would lack it. The first table is noted in the checkpoint.

    Args:
        checkpoint: The folder.
        identity: Of the table, from `identity_of`.
        is_new: The table was made a moment ago; then every checkpoint that was used before filled another.
    """
    note = Path(checkpoint) / "table"
    if is_new and (Path(checkpoint) / "offsets").is_dir():
        # Of an earlier release there is no note; the next start finds the new table, and must not take it for the old.
        return _noted(note, "unknown") != identity
    return _noted(note, identity) != identity


def _noted(note: Path, text: str) -> str:
    """Return what a note in a checkpoint says; write it where there is none."""
    if note.is_file():
        return note.read_text(encoding="utf-8").strip()
    note.parent.mkdir(parents=True, exist_ok=True)
    partial = note.with_name(f".{note.name}-{uuid.uuid4().hex}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(note)
    return text
