"""All features of the project, checked against the contracts of their sources before Spark starts."""

from __future__ import annotations

from collections.abc import Mapping

from databricks_utils.contracts import Contract
from databricks_utils.features import FeatureRegistry

from {{ cookiecutter.package_name }}.features.campaigns import CAMPAIGNS
from {{ cookiecutter.package_name }}.features.shopping import SHOPPING

TABLES = (SHOPPING, CAMPAIGNS)
COLUMNS = tuple(column for table in TABLES for column in table.columns)


def feature_registry(contracts: Mapping[str, Contract]) -> FeatureRegistry:
    """Return the registry.

    Raises:
        InputProblems: Everything wrong with any definition: unknown columns, names twice, features nobody describes.
    """
    return FeatureRegistry(TABLES, contracts)
