"""The definition of a streaming project: which tables there are, what they read, how they are computed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from databricks_utils.errors import InvalidInput
from databricks_utils.pipeline import Lookup
from databricks_utils.pipeline.flow import Definition, Flow, TableNode, Transform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_DELAY = re.compile(r"[1-9][0-9]* (second|minute|hour)s?")


@dataclass(frozen=True)
class Watermark:
    """How late an event may arrive.

    Args:
        column: TIMESTAMP column of the silver contract that says when the event happened.
        delay: Greatest age of an event when it was sent, as in `10 minutes`, and how much older than those before it an
            event may be, `streaming.future_minutes` added. Older ones go to the quarantine.

    Raises:
        InvalidInput: The delay is none.
    """

    column: str = "event_time"
    delay: str = "10 minutes"

    def __post_init__(self) -> None:
        if not _DELAY.fullmatch(self.delay):
            raise InvalidInput(f"{self.delay!r} is not a delay", where="Watermark", hint="Write for example 10 minutes")


@dataclass(frozen=True)
class StreamBronze(TableNode):
    """Events as received: raw bytes with topic, partition and offset.

    Args:
        name: Name of the table.
        topic: Topic of the broker, and folder below `storage.landing` where the source is files.
        version: Number of the checkpoint.
    """

    name: str
    topic: str
    version: int = 1

    layer: str = field(default="bronze", init=False)
    reads: tuple[()] = field(default=(), init=False, repr=False)
    lookups: tuple[()] = field(default=(), init=False, repr=False)
    transform: None = field(default=None, init=False, repr=False)


@dataclass(frozen=True)
class StreamSilver(TableNode):
    """Parsed, checked events, one for each key; the others in the quarantine, with reasons.

    Args:
        name: Name of the table.
        reads: The bronze table.
        transform: Pure function of the typed events; it returns one row for each row.
        watermark: How late an event may be, and so how long its key is remembered.
        version: Number of the checkpoint; raise it when the key or the watermark changes, or when all of bronze is to
            be worked off again. Gold tables that read it begin new checkpoints with it.
    """

    name: str
    reads: str
    transform: Transform | None = None
    watermark: Watermark = field(default_factory=Watermark)
    version: int = 1

    layer: str = field(default="silver", init=False)
    lookups: tuple[()] = field(default=(), init=False, repr=False)


@dataclass(frozen=True)
class StreamGold(TableNode):
    """A table computed from streams with state: windows, sessions, a join of streams.

    Args:
        name: Name of the table.
        reads: One silver table or several, in the order of the transformation's arguments.
        transform: Pure function of frames that bear the watermarks of the silver tables.
        emits: `updates`: every batch gives the new values of changed rows, which replace those of the same key;
            `finals`: a row comes once, when the watermark has passed it.
        version: Number of the checkpoint; raise it when the transformation keeps other state than before. The versions
            of the silver tables it reads count too.
        shown: Whether reports show some of its rows; by default those of tables that emit `updates`, which are
            aggregates.
    """

    name: str
    reads: str | Sequence[str]
    transform: Transform
    emits: Literal["updates", "finals"] = "updates"
    version: int = 1
    shown: bool | None = None

    layer: str = field(default="gold", init=False)
    lookups: tuple[()] = field(default=(), init=False, repr=False)

    @property
    def is_shown(self) -> bool:
        """Whether reports look at some of its rows."""
        return self.emits == "updates" if self.shown is None else self.shown


@dataclass(frozen=True)
class StreamAlerts(TableNode):
    """Rows that somebody must be told about, found in the changes of a gold table; each is kept and told once.

    Args:
        name: Name of the table; its contract's key must follow from what the alert is about, never from a clock.
        reads: The gold table whose changed rows are looked at.
        transform: Pure function of the changed rows and the lookups.
        lookups: Tables read as they are when the batch runs.
        version: Number of the checkpoint.
        shown: Whether reports show some of its rows.
    """

    name: str
    reads: str
    transform: Transform
    lookups: Sequence[Lookup | str] = ()
    version: int = 1
    shown: bool = True

    layer: str = field(default="gold", init=False)

    @property
    def is_shown(self) -> bool:
        """Whether reports look at some of its rows."""
        return self.shown


@dataclass(frozen=True)
class EventAlerts(Definition):
    """Alerts that follow from one event alone.

    Args:
        name: Names the query and its checkpoint.
        reads: The silver table whose topic, contract and transformation the events have.
        transform: Pure function from valid events to alerts, one row for an alert: no aggregate, no join of streams.
            Its keyword arguments are the configuration's parameters of the same names.
        key: Columns that name an alert; they must follow from the event, never from a clock.
        version: Number of the checkpoint.
    """

    name: str
    reads: str
    transform: Transform
    key: tuple[str, ...] = ("alert_id",)
    version: int = 1

    lookups: tuple[()] = field(default=(), init=False, repr=False)


StreamNode = StreamBronze | StreamSilver | StreamGold | StreamAlerts


class StreamPipeline(Flow[StreamNode]):
    """The whole flow of a streaming project.

    Args:
        name: Name of the flow, as in the project's command.
        nodes: Tables in any order.
        event_alerts: What is told of single events, from topic to topic, without a table between.

    Raises:
        InputProblems: A table is defined twice, reads something that is not defined, or there is a cycle.
        InvalidInput: Two alerts have one name, or one reads something else than a silver table.
    """

    def __init__(self, name: str, *nodes: StreamNode, event_alerts: Sequence[EventAlerts] = ()) -> None:
        super().__init__(name, *nodes)
        self.event_alerts = tuple(event_alerts)
        names = [alerts.name for alerts in self.event_alerts]
        for alerts in self.event_alerts:
            self.silver(alerts.reads)
            if names.count(alerts.name) > 1:
                raise InvalidInput(f"Two alerts about events are called {alerts.name!r}", where=self._place)

    @property
    def definitions(self) -> Sequence[Definition]:
        """Everything that may have a transformation: tables and alerts about events."""
        return (*self.nodes, *self.event_alerts)

    def silver(self, table: str) -> StreamSilver:
        """Return the definition of a silver table.

        Raises:
            InvalidInput: There is none of this name, or it is no silver table.
        """
        node = self.node(table)
        if not isinstance(node, StreamSilver):
            raise InvalidInput(f"{table} is not a silver table", where=f"StreamPipeline({self.name!r})")
        return node


def with_watermark(events: DataFrame, watermark: Watermark, slack_minutes: int) -> DataFrame:
    """Let Spark forget what is older than the watermark.

    The newest accepted event is at most `slack_minutes` ahead of its arrival, so that one that is at most `delay` old
    lies before no watermark while events come as they happen. A second more, since Spark drops what equals the
    watermark too. What it drops nevertheless is looked for (`late`).
    """
    number, unit = watermark.delay.split()
    seconds = int(number) * {"second": 1, "minute": 60, "hour": 3600}[unit.removesuffix("s")]
    return events.withWatermark(watermark.column, f"{seconds + 60 * slack_minutes + 1} seconds")
