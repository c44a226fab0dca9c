"""References between contracts: one message for what is missing, with every place that refers to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from databricks_utils.contracts import read_contracts
from databricks_utils.data_quality import table_rules
from databricks_utils.errors import InputProblems

TABLE = """\
apiVersion: v3.2.0
kind: DataContract
id: {layer}-{name}
version: 1.0.0
status: active
schema:
  - name: {name}
    physicalType: table
    properties:
      - name: id
        logicalType: integer
        physicalType: BIGINT
        {reference}
      - name: other_id
        logicalType: integer
        physicalType: BIGINT
"""
LINE = 13


def written(folder: Path, table: str, to: str = "") -> Path:
    layer, _, name = table.partition(".")
    path = folder / layer / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    reference = f"relationships: [{to}]" if to else "description: A number."
    path.write_text(TABLE.format(layer=layer, name=name, reference=reference))
    return path


def refusal(folder: Path) -> str:
    with pytest.raises(InputProblems) as caught:
        read_contracts(folder)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_missing_contract_is_one_message_that_names_who_refers_to_it(tmp_path: Path) -> None:
    orders = written(tmp_path, "gold.fact_orders", "{to: gold.dim_day.id}")
    visits = written(tmp_path, "gold.fact_visits", "{to: gold.dim_day.id}")

    message = refusal(tmp_path)

    key = "key schema.0.properties.0.relationships.0.to"
    assert message.splitlines() == [
        "1 problem in the input",
        "- gold.dim_day has no contract, and is referred to",
        f"  where: {orders}:{LINE}, {key}",
        f"         {visits}:{LINE}, {key}",
        f"  hint:  Write {tmp_path}/gold/dim_day.yaml, or remove the reference",
    ]


def test_a_misspelt_table_gets_the_right_name(tmp_path: Path) -> None:
    written(tmp_path, "gold.dim_customer")
    written(tmp_path, "gold.fact_orders", "{to: gold.dim_costumer.id}")

    message = refusal(tmp_path)

    assert "gold.dim_costumer has no contract" in message
    assert "Did you mean gold.dim_customer? If not: write " in message


def test_a_misspelt_column_gets_the_right_name(tmp_path: Path) -> None:
    written(tmp_path, "gold.dim_customer")
    path = written(tmp_path, "gold.fact_orders", "{to: gold.dim_customer.othr_id}")

    message = refusal(tmp_path)

    assert "gold.dim_customer.othr_id does not exist" in message
    assert f"where: {path}:{LINE}, key schema.0.properties.0.relationships.0.to" in message
    assert "Did you mean other_id?" in message


def test_a_table_whose_contract_cannot_be_read_is_not_also_called_missing(tmp_path: Path) -> None:
    broken = written(tmp_path, "gold.dim_customer")
    broken.write_text(broken.read_text().replace("BIGINT", "BIGGEST"))
    written(tmp_path, "gold.fact_orders", "{to: gold.dim_customer.id}")

    message = refusal(tmp_path)

    assert "'BIGGEST' is not a Spark type" in message
    assert "gold.dim_customer has no contract" not in message


def test_a_second_reference_of_a_column_is_not_passed_over(tmp_path: Path) -> None:
    written(tmp_path, "gold.dim_customer")
    written(tmp_path, "gold.fact_orders", "{to: gold.dim_customer.id}, {to: gold.nothing.id}")

    assert "A column refers to one column" in refusal(tmp_path)


@pytest.mark.parametrize("target", ["dim_customer.id", "[gold.dim_customer.id]"])
def test_a_reference_to_anything_but_a_column_is_refused(tmp_path: Path, target: str) -> None:
    written(tmp_path, "gold.fact_orders", f"{{to: {target}}}")

    message = refusal(tmp_path)

    assert "names no column" in message
    assert "Write layer.table.column" in message


def test_a_version_of_the_standard_without_layers_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "gold.dim_customer")
    path = written(tmp_path, "gold.fact_orders", "{to: gold.dim_customer.id}")
    path.write_text(path.read_text().replace("v3.2.0", "v3.1.0"))

    message = refusal(tmp_path)

    assert "apiVersion v3.1.0 cannot refer to another layer's table" in message
    assert f"where: {path}:1, key apiVersion" in message
    assert "Write apiVersion: v3.2.0" in message


def test_a_contract_with_another_file_ending_is_named(tmp_path: Path) -> None:
    written(tmp_path, "gold.dim_customer")
    path = written(tmp_path, "gold.fact_orders")
    path.rename(path.with_suffix(".yml"))

    message = refusal(tmp_path)

    assert "fact_orders.yml is not read" in message
    assert "Name it fact_orders.yaml" in message


@pytest.mark.parametrize("severity", [None, "error", "warning"])
def test_a_reference_is_an_error_unless_it_says_otherwise(tmp_path: Path, severity: str | None) -> None:
    own = f", customProperties: [{{property: severity, value: {severity}}}]" if severity else ""
    written(tmp_path, "gold.dim_day")
    written(tmp_path, "gold.fact_orders", f"{{to: gold.dim_day.id{own}}}")

    contract = read_contracts(tmp_path)["gold.fact_orders"]

    (rule,) = [rule for rule in table_rules(contract) if rule.kind == "reference"]
    assert rule.severity == (severity or "error")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{property: severity, value: fatal}", "'fatal' is no severity"),
        ("{property: severitty, value: warning}", "'severitty' has no effect here"),
    ],
)
def test_what_a_reference_says_of_itself_without_effect_is_refused(tmp_path: Path, given: str, said: str) -> None:
    written(tmp_path, "gold.dim_day")
    written(tmp_path, "gold.fact_orders", f"{{to: gold.dim_day.id, customProperties: [{given}]}}")

    message = refusal(tmp_path)

    assert said in message
    assert f":{LINE}" in message
