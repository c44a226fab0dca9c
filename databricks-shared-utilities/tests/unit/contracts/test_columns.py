"""What a contract may say about names and types: what only the second run would refuse is refused when it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from databricks_utils.contracts import read_contract
from databricks_utils.contracts.scaffold import scaffold_contract
from databricks_utils.errors import InputProblems

SOURCE_A = "{property: source, value: a}"
PRICE = 'customProperties: [{property: source, value: "unit price (EUR)"}]'


def contract_with(folder: Path, columns: list[str], layer: str = "bronze", more: str = "") -> Path:
    """Write a contract with further columns, each a YAML mapping in one line, from line 20 on."""
    path = folder / layer / "orders.yaml"
    path.parent.mkdir(exist_ok=True)
    text = scaffold_contract(layer, "orders") + "".join(f"      - {{{column}}}\n" for column in columns)
    path.write_text(text + more, encoding="utf-8")
    return path


def problems_of(path: Path) -> list[str]:
    with pytest.raises(InputProblems) as caught:
        read_contract(path)
    return [str(problem) for problem in caught.value.problems]


def test_a_column_says_what_it_is_called_where_it_comes_from(tmp_path: Path) -> None:
    contract = read_contract(contract_with(tmp_path, [f"name: price, logicalType: string, {PRICE}"]))

    assert contract.column("price").received_as == "unit price (EUR)"
    assert contract.received_names == {"id": "id", "price": "unit price (EUR)"}


@pytest.mark.parametrize(
    "name",
    [
        "unit price",
        "a,b",
        "a;b",
        "a{b",
        "a}b",
        "a(b",
        "a)b",
        "a=b",
        "a.b",
        "a[0]",
        "a]",
        "a`b",
        "*",
        "${a}",
        r"a\tb",
        r"a\nb",
    ],
)
def test_a_name_that_no_table_can_have_is_refused_with_a_plain_one(tmp_path: Path, name: str) -> None:
    (problem,) = problems_of(contract_with(tmp_path, [f'name: "{name}", logicalType: string']))

    assert "No table can have a column called" in problem
    assert "orders.yaml:20, key schema.0.properties.1.name" in problem
    assert "customProperties: [{property: source, value: " in problem


def test_every_other_name_is_taken(tmp_path: Path) -> None:
    names = [f"a{sign}b" for sign in "-$#@%/+&?!<>:|~^'"] + ["größe", "2nd", "order"]

    contract = read_contract(contract_with(tmp_path, [f'name: "{name}", logicalType: string' for name in names]))

    assert contract.column_names == ("id", *names)


@pytest.mark.parametrize(
    ("columns", "layer", "message", "key"),
    [
        (
            ["name: k, logicalType: object, physicalType: 'MAP<STRING, INT>', primaryKey: true, primaryKeyPosition: 2"],
            "gold",
            "A key cannot be MAP<STRING, INT>",
            "physicalType",
        ),
        (
            ["name: k, logicalType: array, physicalType: 'ARRAY<INT>', primaryKey: true, primaryKeyPosition: 2"],
            "silver",
            "A key cannot be ARRAY<INT>",
            "physicalType",
        ),
        (
            ["name: part, logicalType: object, physicalType: 'STRUCT<a: INT, A: INT>'"],
            "silver",
            "'STRUCT<a: INT, A: INT>' is not a Spark type",
            "physicalType",
        ),
        ([f"name: price, logicalType: number, {PRICE}"], "gold", "read from no file", "customProperties.0"),
        (
            ["name: price, logicalType: string, customProperties: [{property: source, value: 7}]"],
            "bronze",
            "7 is no name",
            "customProperties.0.value",
        ),
        (
            ["name: price, logicalType: string, customProperties: [{property: source, value: _metadata}]"],
            "bronze",
            "belongs to the reader",
            "customProperties.0.value",
        ),
        (
            ["name: price, logicalType: string, customProperties: [{property: source, value: ' ID '}]"],
            "bronze",
            "price and id both take 'id'",
            "customProperties",
        ),
        (
            [f"name: p, logicalType: string, customProperties: [{SOURCE_A}, {SOURCE_A}]"],
            "bronze",
            "source is there twice",
            "customProperties.1",
        ),
        (
            ["name: price, logicalType: string, customProperties: [{property: sources, value: a}]"],
            "bronze",
            "Unknown custom property 'sources'",
            "customProperties.0.property",
        ),
    ],
)
def test_what_a_later_run_would_refuse_is_refused_with_file_and_line(
    tmp_path: Path, columns: list[str], layer: str, message: str, key: str
) -> None:
    (problem,) = problems_of(contract_with(tmp_path, columns, layer))

    assert message in problem
    assert f"orders.yaml:{23 if layer != 'bronze' else 20}, key schema.0.properties.1.{key}" in problem


def test_a_table_is_not_clustered_by_what_has_no_order(tmp_path: Path) -> None:
    columns = ["name: gone, logicalType: boolean"]
    more = "customProperties: [{property: clusterBy, value: gone}]\n"

    (problem,) = problems_of(contract_with(tmp_path, columns, "silver", more))

    assert "cannot be clustered by BOOLEAN" in problem


def test_a_table_is_not_clustered_by_what_has_no_statistics(tmp_path: Path) -> None:
    columns = [f"name: c{number}, logicalType: string" for number in range(1, 33)]
    more = "customProperties: [{property: clusterBy, value: [c31, c32]}]\n"

    (problem,) = problems_of(contract_with(tmp_path, columns, "silver", more))

    assert "c32 has none" in problem


def test_a_table_has_a_name_that_every_catalog_takes(tmp_path: Path) -> None:
    path = tmp_path / "bronze" / "my orders.yaml"
    path.parent.mkdir()
    path.write_text(scaffold_contract("bronze", "my orders"), encoding="utf-8")

    assert "No table can be called 'my orders'" in "\n".join(problems_of(path))
