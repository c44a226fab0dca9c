"""Landing folders of any size from *The Complete Journey*, the same bytes for the same arguments.

The published year has 1.47 million basket lines. More lines are copies of that year with other basket numbers, so that
products, households and days stay what they are and every key stays unique.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "sample-data"))

from build import FOLDERS, write_campaigns, write_households, write_products  # noqa: E402  # it is no package
from complete_journey import CompleteJourney, read_complete_journey  # noqa: E402

SEED = 2
#: More than any published basket number.
NEXT_COPY = 10**12
#: Of the lines that come with the second delivery, so many belong to days that the first knows.
LATE_SHARE = 0.1


@dataclass(frozen=True)
class Delivery:
    """Folders with the files of two deliveries.

    Args:
        first: Landing folder of the first run.
        second: Folder with further transaction files only, to be copied into the first.
        lines: Basket lines of both.
    """

    first: Path
    second: Path
    lines: int


def deliveries(folder: Path, lines: int, new_share: float = 0.01) -> Delivery:
    """Write the landing files of `lines` basket lines, a share of which comes in the second delivery.

    Args:
        folder: Where to write; a finished folder of an earlier call is used again.
        lines: Basket lines altogether.
        new_share: Share of the second delivery: nine tenths of it are the latest sales, one tenth is scattered.
    """
    delivery = Delivery(folder / "first", folder / "second", lines)
    finished = folder / "finished"
    if finished.is_file():
        return delivery
    journey = read_complete_journey()
    for name in FOLDERS:
        (delivery.first / name).mkdir(parents=True, exist_ok=True)
    (delivery.second / "transactions").mkdir(parents=True, exist_ok=True)
    write_products(journey.products, delivery.first / "products")
    write_households(journey.demographics, delivery.first / "households", SEED)
    write_campaigns(journey, delivery.first / "campaigns")
    sales = copied(journey, lines)
    is_new = _second_delivery(len(sales), round(lines * new_share))
    _write_months(sales[~is_new], delivery.first / "transactions", "transactions")
    _write_months(sales[is_new], delivery.second / "transactions", "transactions_more")
    finished.touch()
    return delivery


def copied(journey: CompleteJourney, lines: int) -> pd.DataFrame:
    """Return so many basket lines in the order of their time: the year's first ones, or copies of the year."""
    year = journey.transactions.sort_values(["transaction_timestamp", "basket_id", "product_id"])
    copies = -(-lines // len(year))
    each = -(-lines // copies)
    first = year.head(each)
    parts = [first.assign(basket_id=first["basket_id"].astype("int64") + NEXT_COPY * copy) for copy in range(copies)]
    together = pd.concat(parts, ignore_index=True).head(lines)
    result: pd.DataFrame = together.sort_values("transaction_timestamp", kind="stable", ignore_index=True)
    return result


def _second_delivery(lines: int, new: int) -> np.ndarray:
    late = round(new * LATE_SHARE)
    chosen = np.zeros(lines, dtype=bool)
    chosen[lines - (new - late) :] = True
    chosen[np.random.default_rng(SEED).choice(lines - (new - late), late, replace=False)] = True
    return chosen


def _write_months(sales: pd.DataFrame, folder: Path, name: str) -> None:
    """Write one file for each month with Arrow, which takes seconds for ten million lines."""
    moments = sales["transaction_timestamp"]
    money = ["sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"]
    plain = sales.assign(**{column: sales[column].round(2) for column in money})
    for month, lines in plain.groupby(moments.dt.strftime("%Y-%m"), sort=True):
        text = lines["transaction_timestamp"].dt.strftime("%Y-%m-%d %H:%M:%S")
        table = pa.Table.from_pandas(lines.assign(transaction_timestamp=text), preserve_index=False)
        options = arrow_csv.WriteOptions(quoting_style="none")
        arrow_csv.write_csv(table, folder / f"{name}_{month}.csv", options)
