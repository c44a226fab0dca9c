"""Features of what a household buys, from the lines of its baskets."""

from __future__ import annotations

from databricks_utils.features import Events, Feature, FeatureTable

WINDOWS = (7, 14, 30, 60, 90)
FEW = (7, 30, 90)
#: Departments with enough sales to say something, and how their columns are called.
DEPARTMENTS = {
    "GROCERY": "grocery",
    "DRUG GM": "drugstore",
    "PRODUCE": "produce",
    "MEAT": "meat",
    "MEAT-PCKGD": "packed_meat",
    "DELI": "deli",
    "PASTRY": "pastry",
    "FUEL": "fuel",
}
USD = "USD"

TOTALS = (
    Feature("lines", "count", windows=WINDOWS, description="Lines bought.", tags=("volume",)),
    Feature("baskets", "count_distinct", of="basket_id", windows=WINDOWS, description="Visits to a till."),
    Feature("visit_days", "active_days", windows=WINDOWS, description="Days with a visit.", tags=("recency",)),
    Feature("spend", "sum", of="sales_value", windows=WINDOWS, description="Money the retailer took in.", unit=USD),
    Feature("loyalty", "sum", of="retail_discount", windows=WINDOWS, description="Off by the loyalty card.", unit=USD),
    Feature("coupons", "sum", of="coupon_discount", windows=WINDOWS, description="Off by coupons.", unit=USD),
    Feature("mean_line", "mean", of="sales_value", windows=WINDOWS, description="Price of a line.", unit=USD),
    Feature("max_line", "max", of="sales_value", windows=WINDOWS, description="Dearest line.", unit=USD),
    Feature("line_spread", "std", of="sales_value", windows=WINDOWS, description="How much lines differ.", unit=USD),
    Feature("products", "count_distinct", of="product_id", windows=WINDOWS, description="Different products."),
    Feature("departments", "count_distinct", of="department", windows=WINDOWS, description="Different departments."),
    Feature("stores", "count_distinct", of="store_id", windows=WINDOWS, description="Different stores."),
    Feature("days_since_visit", "days_since_last", windows=(90,), description="Days since a visit.", tags=("recency",)),
)

BY_DEPARTMENT = tuple(
    Feature(
        f"{name}_spend",
        "sum",
        of="sales_value",
        where={"department": department},
        windows=FEW,
        description=f"Money spent in the department {department}.",
        unit=USD,
        tags=("department",),
    )
    for department, name in DEPARTMENTS.items()
)

BRANDS = (
    Feature(
        "private_share",
        "share",
        of="sales_value",
        where={"brand": "Private"},
        windows=(30, 90),
        description="Part of the money that goes to the retailer’s own brands.",
    ),
    Feature(
        "private_spend",
        "sum",
        of="sales_value",
        where={"brand": "Private"},
        windows=FEW,
        description="Money spent on the retailer’s own brands.",
        unit=USD,
    ),
    Feature(
        "private_lines",
        "count",
        where={"brand": "Private"},
        windows=FEW,
        description="Lines of the retailer’s own brands.",
    ),
    Feature(
        "fresh_share",
        "share",
        of="sales_value",
        where={"department": ["PRODUCE", "MEAT", "DELI", "PASTRY"]},
        windows=(30, 90),
        description="Part of the money that goes to fresh goods.",
    ),
    Feature(
        "grocery_share",
        "share",
        of="sales_value",
        where={"department": "GROCERY"},
        windows=(30, 90),
        description="Part of the money that goes to groceries.",
    ),
    Feature("min_line", "min", of="sales_value", windows=(30, 90), description="Cheapest line.", unit=USD),
    Feature(
        "days_since_grocery",
        "days_since_last",
        where={"department": "GROCERY"},
        windows=(90,),
        description="Days since groceries were bought.",
        tags=("recency",),
    ),
    Feature(
        "days_since_fresh",
        "days_since_last",
        where={"department": ["PRODUCE", "MEAT", "DELI", "PASTRY"]},
        windows=(90,),
        description="Days since fresh goods were bought.",
        tags=("recency",),
    ),
)

SHOPPING = FeatureTable(
    "gold.household_shopping_features",
    source=Events("silver.transactions", timestamp="transaction_timestamp"),
    entity=("household_id",),
    features=(*TOTALS, *BY_DEPARTMENT, *BRANDS),
    description="What a household buys, how often, and how that is made up.",
    owner="{{ cookiecutter.owner_group }}",
    # A pipeline that has stood still for a week must not go on as if nothing had happened.
    ttl_days=7,
    tags=("shopping",),
)
