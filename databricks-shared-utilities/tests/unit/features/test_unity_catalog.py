"""What a feature table is given in Unity Catalog and nowhere else: its key, and tags that are set once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from feature_shop import CONTRACTS, HOUSEHOLDS, REGISTRY

from databricks_utils.contracts import parse_schema
from databricks_utils.delta import Namespace
from databricks_utils.features import FeatureRegistry, FeatureStore

NAMES = {"gold": "shop_gold"}
PROPERTY = re.compile(r"SET TBLPROPERTIES \('(\S+)' = '(\S+)'\)")


@dataclass
class Catalog:
    """As much of a session as is asked while a table is made: it notes statements, and keeps properties.

    No catalog outside of Databricks knows tags.
    """

    exists: bool = False
    statements: list[str] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    fails_at: str = "nothing"

    @property
    def catalog(self) -> Any:
        described = SimpleNamespace(description=HOUSEHOLDS.description)
        return SimpleNamespace(tableExists=lambda _: self.exists, getTable=lambda _: described)

    def table(self, _: str) -> Any:
        return SimpleNamespace(schema=parse_schema("household_id INT, store_id INT, available_at TIMESTAMP"))

    def sql(self, statement: str) -> Any:
        if self.fails_at in statement:
            raise ConnectionError("gone")
        self.statements.append(statement)
        self.exists = self.exists or statement.startswith("CREATE TABLE")
        self.properties.update(PROPERTY.findall(statement))
        rows = [SimpleNamespace(key=key, value=value) for key, value in self.properties.items()]
        return SimpleNamespace(collect=lambda: rows)

    @property
    def tagging(self) -> list[str]:
        return [statement for statement in self.statements if "SET TAGS" in statement]


def ensure(catalog: Any, registry: FeatureRegistry = REGISTRY, warehouse: Path | None = None) -> tuple[str, ...]:
    return FeatureStore(Namespace("main", NAMES, warehouse), registry).ensure(catalog, HOUSEHOLDS.name)


def test_a_new_table_has_its_key_and_its_tags() -> None:
    catalog = Catalog()

    assert ensure(catalog) == ()

    assert "PRIMARY KEY" in catalog.statements[0]
    assert catalog.tagging[0] == "ALTER TABLE `main`.`shop_gold`.`household_features` SET TAGS ('shopping' = '')"
    assert len(catalog.tagging) == 4


def test_tags_are_set_once_and_again_when_the_definitions_change() -> None:
    catalog = Catalog()
    ensure(catalog)
    catalog.exists = False  # its columns, which this catalog does not keep, are not what is looked at
    before = len(catalog.tagging)

    ensure(catalog)
    unchanged = len(catalog.tagging) - before
    catalog.exists = False
    ensure(catalog, FeatureRegistry([replace(HOUSEHOLDS, tags=("shopping", "weekly"))], CONTRACTS))

    assert unchanged == 0
    assert "SET TAGS ('shopping' = '', 'weekly' = '')" in catalog.tagging[before]


def test_tags_that_a_run_could_not_set_are_set_by_the_next() -> None:
    catalog = Catalog(fails_at="ALTER COLUMN")
    with pytest.raises(ConnectionError):
        ensure(catalog)

    catalog.fails_at, catalog.exists = "nothing", False
    ensure(catalog)

    assert len([statement for statement in catalog.tagging if "ALTER COLUMN" in statement]) == 3


def test_columns_that_a_table_gains_are_named_and_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    catalog = Catalog(exists=True)

    added = ensure(catalog)

    assert added == HOUSEHOLDS.columns
    assert [
        record.levelname for record in caplog.records if "NULL in the days written before" in record.getMessage()
    ] == ["WARNING"]


def test_a_laptop_gets_neither_key_nor_tags(tmp_path: Path) -> None:
    catalog = Catalog()

    ensure(catalog, warehouse=tmp_path)

    assert catalog.tagging == []
    assert not any("PRIMARY KEY" in statement for statement in catalog.statements)
