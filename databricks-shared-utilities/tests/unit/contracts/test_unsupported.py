"""What a contract says and nothing would act upon is refused, so that nobody believes it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from databricks_utils.contracts import Contract, read_contract
from databricks_utils.errors import InputProblems


def read(
    folder: Path, layer: str = "silver", *, column: object = None, table: object = None, top: object = None
) -> Contract:
    amount = {"name": "amount", "logicalType": "string", "physicalType": "STRING", **(column or {})}
    orders = {"name": "orders", "physicalType": "table", "properties": [amount], **(table or {})}
    values = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "orders",
        "version": "1.0.0",
        "status": "active",
        "schema": [orders],
        **(top or {}),
    }
    path = folder / layer / "orders.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return read_contract(path)


def refusal(folder: Path, layer: str = "silver", **parts: object) -> str:
    with pytest.raises(InputProblems) as caught:
        read(folder, layer, **parts)
    return str(caught.value)


def custom(*pairs: tuple[str, object]) -> dict[str, object]:
    return {"customProperties": [{"property": name, "value": value} for name, value in pairs]}


@pytest.mark.parametrize(
    ("column", "said", "advice"),
    [
        ({"partitioned": True}, "The key 'partitioned' has no effect", "custom property clusterBy"),
        ({"physicalName": "AMT"}, "The key 'physicalName' has no effect", "its physical name under name"),
        ({"enum": [{"value": "a"}]}, "The key 'enum' has no effect", "metric: invalidValues"),
        (
            {"logicalType": "array", "physicalType": "ARRAY<INT>", "logicalTypeOptions": {"maxItems": 3}},
            "The option 'maxItems' has no effect",
            "write a row rule with size()",
        ),
        (custom(("clusterBy", True)), "clusterBy is about the table", "under the contract's customProperties"),
    ],
)
def test_a_column_key_without_effect_is_refused(tmp_path: Path, column: object, said: str, advice: str) -> None:
    message = refusal(tmp_path, column=column)

    assert said in message
    assert "key schema.0.properties.0." in message
    assert advice in message


def test_keys_that_say_the_default_are_harmless(tmp_path: Path) -> None:
    assert read(tmp_path, column={"partitioned": False, "physicalName": "amount"}).column_names == ("amount",)


def test_references_of_the_table_are_refused(tmp_path: Path) -> None:
    relationship = {"from": "orders.amount", "to": "people.name"}

    message = refusal(tmp_path, table={"relationships": [relationship]})

    assert "References of the table are not checked" in message
    assert "Put each reference under its column" in message


@pytest.mark.parametrize(
    "parts",
    [
        {"table": {"quality": [{"type": "library", "metric": "rowCount", "mustBe": 1}]}},
        {"column": {"quality": [{"type": "library", "metric": "nullValues", "mustBe": 0}]}},
        {"top": {"slaProperties": [{"property": "freshness", "value": 1, "unit": "d"}]}},
    ],
    ids=["table", "column", "freshness"],
)
def test_bronze_checks_nothing_and_says_so(tmp_path: Path, parts: dict[str, object]) -> None:
    message = refusal(tmp_path, "bronze", **parts)

    assert "Bronze keeps rows as they were received; nothing is checked there" in message
    assert "Put it into the contract of the silver table" in message
    assert read(tmp_path, "silver", **parts).layer == "silver"


@pytest.mark.parametrize("name", ["clusterby", "cluster_by", "ClusterBy", "clustedBy"])
@pytest.mark.parametrize("level", ["top", "table"])
def test_a_misspelt_custom_property_is_found(tmp_path: Path, name: str, level: str) -> None:
    message = refusal(tmp_path, **{level: custom((name, ["amount"]))})

    assert f"Unknown custom property {name!r}" in message
    assert "Did you mean clusterBy?" in message


def test_custom_properties_of_other_tools_are_let_be(tmp_path: Path) -> None:
    assert read(tmp_path, top=custom(("dataSteward", "a team"), ("clusterBy", "amount"))).cluster_by == ("amount",)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([("clusterBy", {"amount": 1})], "is no list of columns"),
        ([("clusterBy", 3)], "clusterBy: 3 is no list of columns"),
        ([("clusterBy", ["amount", 3])], "is no list of columns"),
        ([("clusterBy", ["amuont"])], "Did you mean amount?"),
        ([("clusterBy", ["amount"] * 5)], "takes at most 4 columns"),
        ([("clusterBy", ["amount"]), ("clusterBy", [])], "clusterBy is there twice"),
    ],
)
def test_an_impossible_clustering_is_refused(tmp_path: Path, pairs: list[tuple[str, object]], said: str) -> None:
    assert said in refusal(tmp_path, top=custom(*pairs))


def test_an_unknown_key_of_a_custom_property_is_refused(tmp_path: Path) -> None:
    entry = {"property": "clusterBy", "value": ["amount"], "valeu": []}

    assert "Did you mean value?" in refusal(tmp_path, top={"customProperties": [entry]})


def test_a_second_freshness_is_refused(tmp_path: Path) -> None:
    sla = [{"property": "freshness", "value": 1, "unit": "d"}, {"property": "latency", "value": 2, "unit": "d"}]

    assert "A table has one freshness" in refusal(tmp_path, top={"slaProperties": sla})


def test_the_column_of_a_freshness_must_be_there(tmp_path: Path) -> None:
    sla = [{"property": "freshness", "value": 1, "unit": "d", "element": "orders.arrived"}]

    assert "'arrived' is no column" in refusal(tmp_path, top={"slaProperties": sla})
