"""What the streams of a run reported, as plain values for its page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StreamSummary:
    """One stream of a run.

    Args:
        query: The table or quarantine that it writes.
        batches: How many it worked off.
        rows: Rows read.
        seconds: Wall clock of the batches.
        lag_events: Events of the broker that were not read after the newest batch; None without a broker.
        lag_files: Files that were not read then; None where the source has none.
        event_age_seconds: How old the newest event was when the newest batch was done; None without event times.
        state_rows: Rows in the state store after the newest batch.
        late: Rows that came behind the watermark.
    """

    query: str
    batches: int
    rows: int
    seconds: float
    lag_events: int | None = None
    lag_files: int | None = None
    event_age_seconds: float | None = None
    state_rows: int = 0
    late: int = 0

    @property
    def rate(self) -> float:
        """Rows a second while the stream worked."""
        return self.rows / self.seconds if self.seconds else 0.0
