"""The same pipeline as a Lakeflow (Spark) declarative pipeline.

Spark resolves these datasets before any of them exists, so nothing here may look at a schema or start a job: the
steps reused from `silver` and `gold` only describe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from databricks_utils.config import Configuration
from databricks_utils.contracts import Contract
from databricks_utils.data_quality import row_rules
from databricks_utils.medallion.auto_loader import auto_loader_rows, finished
from databricks_utils.medallion.bronze import moment_of_batch
from databricks_utils.medallion.file_readers import read_csv_texts, read_objects
from databricks_utils.medallion.gold import computed
from databricks_utils.medallion.pipeline import Bronze, Gold, Pipeline, Silver
from databricks_utils.medallion.silver import accepted, newest_by_key, prepare, rejected
from databricks_utils.pipeline import technical
from databricks_utils.pipeline.flow import quarantine_of
from databricks_utils.pipeline.lakehouse import Lakehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class DeclaredLakehouse(Lakehouse):
    """Reads tables by name alone; whether they exist is the declarative engine's business."""

    def read(self, table: str) -> DataFrame:
        """Return a dataset of the pipeline."""
        return self.spark.read.table(self.identifier(table))


def declare(
    spark: SparkSession, pipeline: Pipeline, configuration: Configuration, contracts: Mapping[str, Contract]
) -> None:
    """Declare every table of the pipeline to `pyspark.pipelines`.

    Bronze tables are streaming tables; silver tables, their quarantines and gold tables are materialized views over
    the same functions that the job runs. On Databricks the row rules also appear as expectations.

    Args:
        spark: The session the engine gives.
        pipeline: The definition.
        configuration: Names, landing folder and parameters.
        contracts: Contracts by `layer.table`.
    """
    from pyspark import pipelines as dp  # type: ignore[attr-defined,unused-ignore]  # there from Spark 4.1

    lakehouse = DeclaredLakehouse(spark, configuration, contracts)
    for node in pipeline:
        if isinstance(node, Bronze):
            _declare_bronze(dp, lakehouse, node)
        elif isinstance(node, Silver):
            _declare_silver(dp, lakehouse, node)
        else:
            _declare_gold(dp, lakehouse, node)


def _declare_bronze(dp: Any, lakehouse: Lakehouse, node: Bronze) -> None:
    contract = lakehouse.contract(node.table)

    def received() -> DataFrame:
        now = F.current_timestamp()
        rows = _stream(lakehouse, node).withColumns(
            {
                "_ingestion_timestamp": now,
                "_ingestion_date": F.to_date(now),
                "_source_system": F.lit(node.source.system),
                "_batch_id": moment_of_batch(),
            }
        )
        return rows.select(*[column.name for column in contract.columns], *technical.names("bronze"))

    dp.table(name=dataset_name(lakehouse, node.table), comment=contract.description)(received)


def _declare_silver(dp: Any, lakehouse: Lakehouse, node: Silver) -> None:
    contract = lakehouse.contract(node.table)
    received = tuple(column.name for column in lakehouse.contract(node.reads).columns)
    checked = f"{node.name}_checked"

    def labelled() -> DataFrame:
        return prepare(lakehouse.read(node.reads), contract, received, lakehouse, node)

    def valid() -> DataFrame:
        rows = lakehouse.spark.read.table(checked).where("_is_valid")
        return accepted(newest_by_key(rows, contract, node.write.sequence_by), contract)

    def invalid() -> DataFrame:
        return rejected(lakehouse.spark.read.table(checked), None)

    dp.temporary_view(name=checked)(with_expectations(dp, contract, labelled))
    dp.materialized_view(name=dataset_name(lakehouse, node.table), comment=contract.description)(valid)
    dp.materialized_view(name=dataset_name(lakehouse, quarantine_of(node.table)))(invalid)


def _declare_gold(dp: Any, lakehouse: Lakehouse, node: Gold) -> None:
    contract = lakehouse.contract(node.table)

    def table() -> DataFrame:
        return computed(lakehouse, node, lakehouse.read(node.reads))

    dp.materialized_view(name=dataset_name(lakehouse, node.table), comment=contract.description)(table)


def with_expectations(dp: Any, contract: Contract, function: Any) -> Any:
    """Attach the contract's rules as expectations where the engine has them (Databricks)."""
    expect_all = getattr(dp, "expect_all", None)
    if expect_all is None:
        return function
    return expect_all({rule.name: rule.predicate for rule in row_rules(contract)})(function)


def _stream(lakehouse: Lakehouse, node: Bronze) -> DataFrame:
    folder = f"{lakehouse.configuration.storage.landing}/{node.source.folder}"
    keys, ingestion = lakehouse.contract(node.table).received_names, lakehouse.configuration.ingestion
    if ingestion.reader == "auto_loader":
        return auto_loader_rows(lakehouse.spark, node, keys, folder, ingestion.max_files_per_batch)
    reader = lakehouse.spark.readStream.option("pathGlobFilter", node.source.glob)
    if node.source.format == "json":
        rows = read_objects(reader.text(folder), keys)
    else:
        rows = read_csv_texts(reader.text(folder, wholetext=True), node.source.delimiter, keys)
    return rows.where(finished("_source_file"))


def dataset_name(lakehouse: Lakehouse, table: str) -> str:
    """Return the name under which a table is declared, as it stands in the catalog."""
    return lakehouse.identifier(table).replace("`", "")
