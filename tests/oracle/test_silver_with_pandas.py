"""The reader of the oracle against the dirty files, whose outcome was worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from oracle.silver_with_pandas import ENTITIES, HOUSEHOLDS, TRANSACTIONS, Entity, read_silver, summed

PROJECT = Path(__file__).parents[2] / "cookiecutter-batch-pipeline" / "{{cookiecutter.project_slug}}"
DIRTY = PROJECT / "tests" / "fixtures" / "landing_dirty"
EXPECTED: dict[str, Any] = json.loads((DIRTY / "expected.json").read_text(encoding="utf-8"))
HEADER = (
    "household_id,store_id,basket_id,product_id,quantity,sales_value,retail_disc,coupon_disc,coupon_match_disc,"
    "week,transaction_timestamp"
)


def delivery(folder: Path, **files: str) -> Path:
    (folder / "transactions").mkdir()
    for name, text in files.items():
        (folder / "transactions" / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.folder)
def test_every_dirty_file_ends_as_worked_out_by_hand(entity: Entity) -> None:
    expected = EXPECTED[entity.folder]

    silver = read_silver(DIRTY, entity)

    counts = ("in", "valid", "quarantined", "duplicate")
    assert silver.files == {name: {key: file[key] for key in counts} for name, file in expected["files"].items()}
    assert silver.reasons == {name: file["reasons"] for name, file in expected["files"].items()}


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.folder)
def test_the_totals_of_the_expectation_are_the_sums_of_its_files(entity: Entity) -> None:
    expected = EXPECTED[entity.folder]
    counts = ("in", "valid", "quarantined", "duplicate")

    total = summed({key: file[key] for key in counts} for file in expected["files"].values())

    assert {**total, "written": total["valid"] - total["duplicate"]} == expected["total"]
    assert len(read_silver(DIRTY, entity).table) == expected["total"]["written"]


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.folder)
def test_the_surviving_row_of_a_key_is_the_expected_one(entity: Entity) -> None:
    table = read_silver(DIRTY, entity).table

    for survivor in EXPECTED[entity.folder]["survivors"]:
        found = table
        for column, value in zip(entity.key, survivor["key"], strict=True):
            found = found[found[column] == (pd.Timestamp(value) if column == "snapshot_date" else value)]
        values = found.iloc[0].to_dict()
        if "sales_value" in values:
            values["sales_value"] = f"{values['sales_value'] // 100}.{values['sales_value'] % 100:02d}"
        assert {name: values[name] for name in survivor if name != "key"} == {
            name: value for name, value in survivor.items() if name != "key"
        }


def test_money_is_read_as_exact_cents(tmp_path: Path) -> None:
    line = "1,2,3,4,1,{},0.10,0,0.00,1,2017-01-01 00:00:00"
    lines = [line.format("0.29"), line.replace("3,4", "3,5").format("1234567.89")]

    silver = read_silver(delivery(tmp_path, a="\n".join([HEADER, *lines])), TRANSACTIONS)

    assert silver.table["sales_value"].tolist() == [29, 123456789]
    assert silver.table["retail_discount"].tolist() == [10, 10]


@pytest.mark.parametrize("text", ["0.295", "1e3", "1,00", ".", "--1"])
def test_an_amount_that_is_no_whole_number_of_cents_is_set_aside(text: str, tmp_path: Path) -> None:
    line = f'1,2,3,4,1,"{text}",0.10,0,0.00,1,2017-01-01 00:00:00'

    silver = read_silver(delivery(tmp_path, a=f"{HEADER}\n{line}\n"), TRANSACTIONS)

    assert silver.reasons == {"a.csv": {"cast:sales_value": 1}}


def test_the_file_whose_name_sorts_last_wins(tmp_path: Path) -> None:
    line = "1,2,3,4,{},1.00,0.00,0.00,0.00,1,2017-01-01 00:00:00"
    landing = delivery(tmp_path, b=f"{HEADER}\n{line.format(7)}\n", a=f"{HEADER}\n{line.format(9)}\n")

    silver = read_silver(landing, TRANSACTIONS)

    assert silver.table["quantity"].tolist() == [7]
    assert silver.files["a.csv"]["duplicate"] == 1


def test_the_shipped_sample_has_no_row_to_set_aside() -> None:
    for entity in ENTITIES:
        files = read_silver(PROJECT / "data" / "landing", entity).files
        assert summed(files.values())["quarantined"] == 0
        assert summed(files.values())["duplicate"] == 0


def test_the_shipped_sample_has_a_snapshot_that_arrives_after_later_ones() -> None:
    files = list(read_silver(PROJECT / "data" / "landing", HOUSEHOLDS).files)

    assert files[-1] == "households_late_2017-05-15.csv"
    assert files[-2] == "households_2017-12-31.csv"
