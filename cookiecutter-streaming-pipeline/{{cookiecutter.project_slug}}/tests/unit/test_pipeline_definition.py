from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from databricks_utils.cli.project import Opened
from databricks_utils.contracts import Contract, struct_type
from databricks_utils.data_quality import label, row_rules
from databricks_utils.streaming import StreamAlerts, StreamBronze, StreamGold, StreamNode, StreamSilver
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.orchestration.pipeline_definition import PIPELINE

DERIVED = [node for node in PIPELINE if not isinstance(node, StreamBronze)]


def columns_of(contracts: dict[str, Contract]) -> set[str]:
    return {f"{table}.{column.name}" for table, contract in contracts.items() for column in contract.columns}


def test_the_pipeline_and_the_contracts_name_the_same_tables(project: Opened) -> None:
    assert set(PIPELINE.tables) == set(project.contracts)


def test_everything_a_column_is_made_from_is_a_column_of_a_contract(project: Opened) -> None:
    known = columns_of(dict(project.contracts))
    named = [
        (f"{table}.{column.name}", source)
        for table, contract in project.contracts.items()
        for column in contract.columns
        for source in column.sources
    ]

    assert len(named) > 0
    assert [(column, source) for column, source in named if source not in known] == []


@pytest.mark.parametrize("table", [node.table for node in PIPELINE if isinstance(node, StreamSilver)])
def test_the_rules_of_a_contract_compile_against_its_columns(table: str, project: Opened, spark: SparkSession) -> None:
    contract = project.contracts[table]
    empty = spark.createDataFrame([], struct_type(contract))

    labelled = label(empty, row_rules(contract))

    assert "_validation_errors" in labelled.columns


def test_every_silver_and_gold_table_has_a_key_and_an_owner(project: Opened) -> None:
    contracts = [project.contracts[node.table] for node in DERIVED]

    assert [contract.name for contract in contracts if not contract.key or not contract.owner] == []


@pytest.mark.parametrize("node", DERIVED, ids=lambda node: node.table)
def test_a_transformation_takes_as_many_tables_as_it_is_given_and_parameters_that_are_configured(
    node: StreamNode, project: Opened
) -> None:
    assert isinstance(node, StreamSilver | StreamGold | StreamAlerts)
    if node.transform is None:
        return
    arguments = inspect.signature(node.transform).parameters.values()
    tables = [item.name for item in arguments if item.kind is not item.KEYWORD_ONLY]
    parameters = {item.name for item in arguments if item.kind is item.KEYWORD_ONLY}
    given = 1 + len(node.lookups) if isinstance(node, StreamAlerts) else len(node.inputs)

    assert len(tables) == given
    held = project.configuration
    assert parameters <= {*held.parameters, *held.feature_flags, *held.secrets}


def test_every_topic_has_events_in_the_sample(project: Opened) -> None:
    landing = Path(project.configuration.storage.landing)
    topics = [node.topic for node in PIPELINE if isinstance(node, StreamBronze)]

    assert [topic for topic in topics if not any((landing / topic).glob("*.jsonl"))] == []
