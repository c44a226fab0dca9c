"""Sales of households in stores, and the features the tests make from them."""

from __future__ import annotations

from databricks_utils.contracts import Column, Contract
from databricks_utils.features import Events, Feature, FeatureRegistry, FeatureTable

COLUMNS = {
    "household_id": "INT",
    "store_id": "INT",
    "sold_at": "TIMESTAMP",
    "loaded_at": "TIMESTAMP",
    "amount": "DECIMAL(10,2)",
    "quantity": "INT",
    "weight": "DOUBLE",
    "category": "STRING",
    "member": "BOOLEAN",
}
SALES = Contract(
    layer="silver",
    table="sales",
    version="1.0.0",
    status="active",
    description="One row for each line of a basket.",
    owner="shop",
    columns=tuple(Column(name, data_type, description=f"The {name}.") for name, data_type in COLUMNS.items()),
)
CONTRACTS = {"silver.sales": SALES}
WINDOWS = (1, 3, 7)
FEATURES = (
    Feature("lines", "count", windows=WINDOWS, description="Lines bought."),
    Feature("weighed", "count", of="weight", windows=(7,), description="Lines with a weight."),
    Feature("spend", "sum", of="amount", windows=WINDOWS, description="Money spent.", unit="EUR", tags=("money",)),
    Feature("items", "sum", of="quantity", windows=WINDOWS, description="Pieces bought."),
    Feature("mean_line", "mean", of="amount", windows=WINDOWS, description="Money of a line.", unit="EUR"),
    Feature("mean_items", "mean", of="quantity", nulls="zero", windows=(7,), description="Pieces of a line."),
    Feature("least_line", "min", of="amount", windows=WINDOWS, description="Cheapest line.", unit="EUR"),
    Feature("most_items", "max", of="quantity", windows=WINDOWS, description="Most pieces.", empty=-1),
    Feature("heaviest", "max", of="weight", scale=3, windows=(3,), description="Heaviest line.", unit="kg"),
    Feature("spread", "std", of="amount", windows=(3, 7), description="How much lines differ.", unit="EUR"),
    Feature("categories", "count_distinct", of="category", windows=WINDOWS, description="Categories bought from."),
    Feature("days", "active_days", windows=(7,), description="Days with a visit."),
    Feature("recency", "days_since_last", windows=(3, 7), description="Days since the last visit."),
    Feature(
        "wine", "sum", of="amount", where={"category": "wine"}, windows=WINDOWS, description="Money spent on wine."
    ),
    Feature(
        "fresh_share",
        "share",
        of="amount",
        where={"category": ["fruit", "bread"]},
        windows=(7,),
        description="Part of the money spent on fresh goods.",
    ),
    Feature("as_member", "mean", of="member", windows=(7,), description="Part of the lines bought as a member."),
    Feature("since_wine", "days_since_last", where={"category": "wine"}, windows=(7,), description="Days since wine."),
)
HOUSEHOLDS = FeatureTable(
    "gold.household_features",
    source=Events("silver.sales", timestamp="sold_at", known_at="loaded_at"),
    entity=("household_id", "store_id"),
    features=FEATURES,
    description="What a household buys in a store.",
    owner="shop",
    ttl_days=3,
    tags=("shopping",),
)
REGISTRY = FeatureRegistry([HOUSEHOLDS], CONTRACTS)
