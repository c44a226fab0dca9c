"""Contracts: read with their keys, refused with file, line, key and suggestion."""

from __future__ import annotations

from pathlib import Path

import pytest

from databricks_utils.contracts import (
    Contract,
    create_table_sql,
    data_dictionary,
    entity_relationship_diagram,
    read_contract,
    read_contracts,
    scaffold_contract,
)
from databricks_utils.errors import InputProblems

ORDERS = """\
apiVersion: v3.2.0
kind: DataContract
id: shop-silver-orders
name: orders
version: 1.2.0
status: active
team: {name: shop-team}
schema:
  - name: orders
    physicalType: table
    description: One row for each order | line.
    properties:
      - name: line
        logicalType: integer
        physicalType: INT
        primaryKey: true
        primaryKeyPosition: 2
        required: true
      - name: order_id
        logicalType: integer
        physicalType: BIGINT
        primaryKey: true
        primaryKeyPosition: 1
        required: true
        transformSourceObjects: [bronze.orders.id]
      - name: amount
        logicalType: number
        physicalType: DECIMAL(10,2)
        description: The customer's price
        transformSourceObjects: [bronze.orders.price, bronze.orders.discount]
        transformLogic: price - discount
    quality:
      - type: custom
        engine: databricks_utils
        name: amount_known
        severity: warning
        implementation: {row: "amount IS NOT NULL"}
slaProperties:
  - {property: freshness, value: 2, unit: d, element: orders._ingestion_timestamp}
customProperties:
  - {property: clusterBy, value: [order_id]}
"""


def written(folder: Path, text: str, layer: str = "silver", name: str = "orders") -> Path:
    path = folder / layer / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def contract(folder: Path, text: str = ORDERS) -> Contract:
    return read_contract(written(folder, text))


def problems(folder: Path, old: str, new: str) -> str:
    assert old in ORDERS
    with pytest.raises(InputProblems) as caught:
        contract(folder, ORDERS.replace(old, new))
    return str(caught.value)


def test_a_contract_says_what_a_table_is(tmp_path: Path) -> None:
    orders = contract(tmp_path)

    assert orders.name == "silver.orders"
    assert orders.key == ("order_id", "line")
    assert orders.owner == "shop-team"
    assert (orders.freshness_hours, orders.freshness_column) == (48, "_ingestion_timestamp")
    assert orders.cluster_by == ("order_id",)
    assert orders.column("order_id").source_column == "id"
    assert orders.column("amount").source_column is None
    assert [(rule.name, rule.severity, rule.predicate) for rule in orders.declared_rules] == [
        ("amount_known", "warning", "amount IS NOT NULL")
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("required: true", "requierd: true", "Did you mean required?"),
        ("logicalType: number", "logicalType: nmber", "Did you mean number?"),
        ("severity: warning", "severity: warn", "Write error or warning"),
        ("DECIMAL(10,2)", "DECIMAL(10,20)", "is not a Spark type"),
        ("name: line", "name: order_id", "there twice"),
        ("name: line", "name: _line", "technical columns"),
        ("value: [order_id]", "value: [order]", "which is no column"),
        ("unit: d", "unit: fortnight", "needs a number and a unit"),
        ("{row: ", "{rows: ", "cannot be run"),
        ("  - name: orders", "  - name: order", "Name it like the file"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    message = problems(tmp_path, old, new)

    assert said in message
    assert f"{tmp_path / 'silver' / 'orders.yaml'}:" in message


@pytest.mark.parametrize(
    "text", ["", "- a\n", "a: [\n", "name: x\nname: y\n"], ids=["empty", "list", "broken", "twice"]
)
def test_a_file_that_is_no_contract_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputProblems):
        contract(tmp_path, text)


def test_problems_of_several_files_come_together(tmp_path: Path) -> None:
    written(tmp_path, ORDERS.replace("severity: warning", "severity: warn"))
    reference = "        relationships: [{type: foreignKey, to: gold.nobody.id}]\n        description: The"
    fact = ORDERS.replace("        description: The", reference)
    written(tmp_path, fact, "gold")

    with pytest.raises(InputProblems) as caught:
        read_contracts(tmp_path)

    assert "Write error or warning" in str(caught.value)
    assert "gold.nobody has no contract" in str(caught.value)


def test_the_statement_escapes_what_people_write(tmp_path: Path) -> None:
    statement = create_table_sql(contract(tmp_path), "`main`.`silver`.`orders`", {"a.b": "it's"})

    assert "`order_id` BIGINT NOT NULL" in statement
    assert "COMMENT 'The customer\\'s price'" in statement
    assert "CLUSTER BY (`order_id`)" in statement
    assert "'a.b' = 'it\\'s'" in statement


@pytest.mark.parametrize("layer", ["bronze", "silver", "gold"])
def test_the_skeleton_of_a_new_table_is_valid(tmp_path: Path, layer: str) -> None:
    read = read_contract(written(tmp_path, scaffold_contract(layer, "visits"), layer, "visits"))

    assert read.name == f"{layer}.visits"
    assert bool(read.key) == (layer != "bronze")


def test_the_dictionary_and_the_diagram_show_every_column(tmp_path: Path) -> None:
    written(tmp_path, ORDERS, "gold")
    contracts = read_contracts(tmp_path)

    page, diagram = data_dictionary(contracts), entity_relationship_diagram(contracts)

    for name in ("line", "order_id", "amount"):
        assert f"`{name}`" in page
        assert name in diagram
    assert "key (order_id, line)" in page
