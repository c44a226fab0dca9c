"""The same streams as a Lakeflow (Spark) declarative pipeline, as far as it has words for them.

Such a pipeline appends to its streaming tables or computes a view anew; it has neither MERGE nor `foreachBatch`. So
what a table says decides how it is declared:

- bronze, silver and quarantines append: streaming tables; what the watermark of silver drops is in a view beside the
  quarantine, `<table>_late`;
- gold that comes once (`emits="finals"`) appends too, with the same windows, sessions and joins of streams;
- gold whose rows change (`emits="updates"`) is a materialized view over the silver tables;
- alerts tell somebody, once: they stay in the job.

Open-source Spark looks a frame up as soon as it is given a watermark, and while a pipeline is declared its tables are
not there. State over them can be declared on Databricks alone. Elsewhere silver is a materialized view of the same
rows, and what comes once stays in the job as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from databricks_utils.config import Configuration
from databricks_utils.contracts import Contract
from databricks_utils.medallion.declarative import DeclaredLakehouse, dataset_name, with_expectations
from databricks_utils.pipeline import Lakehouse, quarantine_of
from databricks_utils.streaming.definition import (
    StreamBronze,
    StreamGold,
    StreamPipeline,
    StreamSilver,
    with_watermark,
)
from databricks_utils.streaming.events import (
    bronze_columns,
    first_events,
    late_events,
    prepare_events,
    rejected_events,
    unique_events,
)
from databricks_utils.streaming.source import received_events
from databricks_utils.streaming.writer import with_stamps

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def declare_streams(
    spark: SparkSession, pipeline: StreamPipeline, configuration: Configuration, contracts: Mapping[str, Contract]
) -> None:
    """Declare the tables of a pipeline of streams to `pyspark.pipelines`; alerts are passed over.

    On Databricks the row rules also appear as expectations.

    Args:
        spark: The session the engine gives.
        pipeline: The definition.
        configuration: Names, source and parameters.
        contracts: Contracts by `layer.table`.
    """
    from pyspark import pipelines as dp  # type: ignore[attr-defined,unused-ignore]  # there from Spark 4.1

    declare_to(dp, DeclaredLakehouse(spark, configuration, contracts), pipeline, with_state=hasattr(dp, "expect_all"))


def declare_to(dp: Any, lakehouse: Lakehouse, pipeline: StreamPipeline, *, with_state: bool) -> None:
    """Declare the tables to an engine.

    Args:
        dp: What has `table`, `materialized_view` and `temporary_view`, as the module `pyspark.pipelines`.
        lakehouse: Reads tables by name.
        pipeline: The definition.
        with_state: Whether the engine lets a stream over its tables have a watermark, as Databricks does.
    """
    for node in pipeline:
        if isinstance(node, StreamBronze):
            _declare_bronze(dp, lakehouse, node)
        elif isinstance(node, StreamSilver):
            _declare_silver(dp, lakehouse, node, with_state)
        elif isinstance(node, StreamGold) and (with_state or node.emits == "updates"):
            _declare_gold(dp, lakehouse, pipeline, node)


def _declare_bronze(dp: Any, lakehouse: Lakehouse, node: StreamBronze) -> None:
    contract = lakehouse.contract(node.table)

    def received() -> DataFrame:
        rows = with_stamps(received_events(lakehouse, node), lakehouse.configuration.streaming.source, None)
        return rows.select(*contract.column_names, *bronze_columns().names)

    dp.table(name=dataset_name(lakehouse, node.table), comment=contract.description)(received)


def _declare_silver(dp: Any, lakehouse: Lakehouse, node: StreamSilver, with_state: bool) -> None:
    contract = lakehouse.contract(node.table)
    checked = f"{node.name}_checked"

    def labelled() -> DataFrame:
        return prepare_events(_appended(lakehouse, node.reads), contract, lakehouse, node)

    def first() -> DataFrame:
        return first_events(prepare_events(lakehouse.read(node.reads), contract, lakehouse, node), contract)

    def valid() -> DataFrame:
        return unique_events(lakehouse.spark.readStream.table(checked), contract, lakehouse, node)

    def invalid() -> DataFrame:
        return rejected_events(lakehouse.spark.readStream.table(checked))

    def late() -> DataFrame:
        labelled = prepare_events(lakehouse.read(node.reads), contract, lakehouse, node)
        return late_events(labelled, lakehouse.read(node.table), contract, node)

    dp.temporary_view(name=checked)(with_expectations(dp, contract, labelled))
    name = dataset_name(lakehouse, node.table)
    if with_state:
        dp.table(name=name, comment=contract.description)(valid)
        dp.materialized_view(name=dataset_name(lakehouse, f"{node.table}_late"))(late)
    else:
        dp.materialized_view(name=name, comment=contract.description)(first)
    dp.table(name=dataset_name(lakehouse, quarantine_of(node.table)))(invalid)


def _declare_gold(dp: Any, lakehouse: Lakehouse, pipeline: StreamPipeline, node: StreamGold) -> None:
    contract = lakehouse.contract(node.table)

    def computed(*rows: DataFrame) -> DataFrame:
        found: DataFrame = node.transform(*rows, **lakehouse.parameters_for(node))
        return found.select(*contract.column_names, F.current_timestamp().alias("_processing_timestamp"))

    def finals() -> DataFrame:
        slack = lakehouse.configuration.streaming.future_minutes
        return computed(
            *(
                with_watermark(_appended(lakehouse, table), pipeline.silver(table).watermark, slack)
                for table in node.inputs
            )
        )

    def whole() -> DataFrame:
        return computed(*map(lakehouse.read, node.inputs))

    name = dataset_name(lakehouse, node.table)
    if node.emits == "finals":
        dp.table(name=name, comment=contract.description)(finals)
    else:
        dp.materialized_view(name=name, comment=contract.description)(whole)


def _appended(lakehouse: Lakehouse, table: str) -> DataFrame:
    # Retention and erasure delete rows; a stream must pass over such commits, not stop at them.
    return lakehouse.spark.readStream.option("skipChangeCommits", "true").table(lakehouse.identifier(table))
