from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from databricks_utils.cli.project import Opened
from databricks_utils.contracts import Contract, struct_type
from databricks_utils.data_quality import label, row_rules, table_rules
from databricks_utils.medallion import Bronze, Gold, Silver
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.orchestration.pipeline_definition import PIPELINE

DERIVED = [node for node in PIPELINE if isinstance(node, Silver | Gold)]


def columns_of(contracts: dict[str, Contract]) -> set[str]:
    return {f"{table}.{column.name}" for table, contract in contracts.items() for column in contract.columns}


def test_the_pipeline_and_the_contracts_name_the_same_tables(project: Opened) -> None:
    assert set(PIPELINE.tables) == set(project.contracts)


def test_tables_run_after_everything_they_read() -> None:
    order = PIPELINE.tables

    assert [edge for edge in PIPELINE.edges if order.index(edge[0]) >= order.index(edge[1])] == []


def test_everything_a_column_is_made_from_or_refers_to_is_a_column_of_a_contract(project: Opened) -> None:
    known = columns_of(dict(project.contracts))
    named = [
        (f"{table}.{column.name}", source)
        for table, contract in project.contracts.items()
        for column in contract.columns
        for source in (*column.sources, *([column.reference] if column.reference else []))
    ]

    assert len(named) > 0
    assert [(column, source) for column, source in named if source not in known] == []


def test_a_column_is_made_only_from_tables_that_its_table_depends_on(project: Opened) -> None:
    foreign = [
        (node.table, source)
        for node in DERIVED
        for column in project.contracts[node.table].columns
        for source in column.sources
        if source.rpartition(".")[0] not in node.inputs
    ]

    assert foreign == []


@pytest.mark.parametrize("table", PIPELINE.tables)
def test_the_rules_of_a_contract_compile_against_its_columns(table: str, project: Opened, spark: SparkSession) -> None:
    contract = project.contracts[table]
    rules = row_rules(contract)
    empty = spark.createDataFrame([], struct_type(contract))

    labelled = label(empty, rules)

    assert "_validation_errors" in labelled.columns
    assert all(rule.name for rule in table_rules(contract))


def test_every_silver_and_gold_table_has_a_key_and_an_owner(project: Opened) -> None:
    contracts = [project.contracts[node.table] for node in DERIVED]

    assert [contract.name for contract in contracts if not contract.key or not contract.owner] == []


@pytest.mark.parametrize("node", DERIVED, ids=lambda node: node.table)
def test_a_transformation_takes_as_many_tables_as_it_reads_and_parameters_that_are_configured(
    node: Silver | Gold, project: Opened
) -> None:
    if node.transform is None:
        return
    arguments = inspect.signature(node.transform).parameters.values()
    tables = [item.name for item in arguments if item.kind is not item.KEYWORD_ONLY]
    parameters = {item.name for item in arguments if item.kind is item.KEYWORD_ONLY}

    assert len(tables) == len(node.inputs)
    held = project.configuration
    assert parameters <= {*held.parameters, *held.feature_flags, *held.secrets}


def test_every_source_folder_of_bronze_has_files_in_the_sample(project: Opened) -> None:
    landing = Path(project.configuration.storage.landing)
    sources = [node.source for node in PIPELINE if isinstance(node, Bronze)]

    assert [source.folder for source in sources if not any((landing / source.folder).glob(source.glob))] == []
