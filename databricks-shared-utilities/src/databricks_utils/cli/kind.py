"""What differs between a project of batches and one of streams; nothing else of the command line asks which it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from databricks_utils.cli.live import print_written, shown_progress
from databricks_utils.contracts import Contract
from databricks_utils.errors import InvalidInput
from databricks_utils.medallion import Bronze, Pipeline, check_pipeline, declare, run_pipeline
from databricks_utils.medallion.checks import check_pipeline_tables
from databricks_utils.observability import RunResult, StreamSummary
from databricks_utils.pipeline import Lakehouse
from databricks_utils.streaming import StreamBronze, StreamPipeline, check_tables, declare_streams, run_streams
from databricks_utils.streaming.agreement import check_streams
from databricks_utils.streaming.summary import stream_summaries

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from databricks_utils.config import Configuration


@dataclass(frozen=True)
class RunOptions:
    """What a run was asked to do.

    Args:
        tables: `layer.table` names; all when empty.
        full_refresh: Compute silver and gold again from all of bronze.
        for_seconds: How long streams run.
        run_id: Name of the run.
    """

    tables: Sequence[str] = ()
    full_refresh: bool = False
    for_seconds: float | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class Batches:
    """A pipeline whose runs end."""

    pipeline: Pipeline

    @property
    def commands(self) -> tuple[str, ...]:
        """Names of the commands beside those that every project has."""
        return ()

    def require_agreement(self, contracts: Mapping[str, Contract]) -> None:
        """Refuse contracts that do not fit the pipeline.

        Raises:
            InputProblems: Everything that does not fit.
        """
        check_pipeline(self.pipeline, contracts)

    def require_options(self, options: RunOptions) -> None:
        """Refuse a time: only streams run for one."""
        if options.for_seconds is not None:
            raise InvalidInput("Only streams run for some time", where="--for-seconds", hint="Leave it out")

    def require_restorable(self, table: str) -> None:
        """Refuse nothing: positions go back with a table."""

    def run(self, lakehouse: Lakehouse, options: RunOptions) -> RunResult:
        """Bring the tables up to date."""
        return run_pipeline(
            lakehouse,
            self.pipeline,
            tables=options.tables,
            full_refresh=options.full_refresh,
            run_id=options.run_id,
            on_table=print_written,
        )

    def check(self, lakehouse: Lakehouse, tables: Sequence[str], run_id: str | None) -> RunResult:
        """Check tables as they are against contracts and configuration."""
        return check_pipeline_tables(lakehouse, self.pipeline, tables=tables, run_id=run_id)

    def declare(self, spark: SparkSession, configuration: Configuration, contracts: Mapping[str, Contract]) -> None:
        """Declare the tables to the declarative pipeline that runs this."""
        declare(spark, self.pipeline, configuration, contracts)

    def landing_folders(self) -> list[str]:
        """Return the folders of the landing zone that files are read from."""
        return [node.source.folder for node in self.pipeline if isinstance(node, Bronze)]

    def summaries(self, lakehouse: Lakehouse, run_id: str) -> tuple[StreamSummary, ...]:
        """Return nothing: there are no streams."""
        return ()


@dataclass(frozen=True)
class Streams:
    """A pipeline of streams."""

    pipeline: StreamPipeline

    @property
    def commands(self) -> tuple[str, ...]:
        """Names of the commands beside those that every project has."""
        return ("verify", "state", "broker", *(("alert",) if self.pipeline.event_alerts else ()))

    def require_agreement(self, contracts: Mapping[str, Contract]) -> None:
        """Refuse contracts that do not fit the pipeline."""
        check_pipeline(self.pipeline, contracts)
        check_streams(self.pipeline, contracts)

    def require_options(self, options: RunOptions) -> None:
        """Refuse a full refresh: what a stream has read is in its checkpoint."""
        if options.full_refresh:
            hint = "Raise the version of the stream in the pipeline definition, which gives it a new checkpoint"
            raise InvalidInput("A stream cannot be refreshed from here", where="--full-refresh", hint=hint)

    def require_restorable(self, table: str) -> None:
        """Refuse every table: a stream's checkpoint stays where it is."""
        hint = "Restore the table with SQL, then give the streams that write and read it a new version"
        raise InvalidInput("A stream's checkpoint does not go back with its table", where=table, hint=hint)

    def run(self, lakehouse: Lakehouse, options: RunOptions) -> RunResult:
        """Run the streams until nothing is left, the time is over, or somebody ends them."""
        with shown_progress() as listener:
            return run_streams(
                lakehouse,
                self.pipeline,
                tables=options.tables,
                for_seconds=options.for_seconds,
                run_id=options.run_id,
                on_progress=listener,
            )

    def check(self, lakehouse: Lakehouse, tables: Sequence[str], run_id: str | None) -> RunResult:
        """Check tables and the newest reports of their streams against contracts and configuration."""
        return check_tables(lakehouse, self.pipeline, tables=tables, run_id=run_id)

    def declare(self, spark: SparkSession, configuration: Configuration, contracts: Mapping[str, Contract]) -> None:
        """Declare the streams to the declarative pipeline that runs this."""
        declare_streams(spark, self.pipeline, configuration, contracts)

    def landing_folders(self) -> list[str]:
        """Return the folders of the landing zone that stand in for topics."""
        return [node.topic for node in self.pipeline if isinstance(node, StreamBronze)]

    def summaries(self, lakehouse: Lakehouse, run_id: str) -> tuple[StreamSummary, ...]:
        """Return what the streams of a run reported."""
        return stream_summaries(lakehouse, run_id)


Kind = Batches | Streams


def kind_of(pipeline: Any) -> Kind:
    """Return what the command line does with a pipeline."""
    return Streams(pipeline) if isinstance(pipeline, StreamPipeline) else Batches(pipeline)
