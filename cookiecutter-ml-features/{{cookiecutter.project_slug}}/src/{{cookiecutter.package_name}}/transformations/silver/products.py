"""Products."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

DESCRIPTIONS = ("department", "brand", "product_category", "product_type")


def clean_products(products: DataFrame) -> DataFrame:
    """Standardise the descriptions of products.

    Args:
        products: Typed products: department, brand, product_category, product_type, package_size STRING.

    Returns:
        The rows given, trimmed; a description that is missing becomes 'UNKNOWN', package_size stays NULL.
    """
    described = {name: F.coalesce(_trimmed(name), F.lit("UNKNOWN")) for name in DESCRIPTIONS}
    return products.withColumns({**described, "package_size": _trimmed("package_size")})


def _trimmed(name: str) -> Column:
    text = F.trim(name)
    return F.when(F.length(text) > 0, text)
