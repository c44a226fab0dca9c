"""The recipes of the README that need no Spark run as they stand, and each of the others has a test with Spark."""

from __future__ import annotations

import ast
import io
import logging
import shutil
from collections.abc import Mapping
from contextlib import redirect_stderr
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

FIXTURES = Path(__file__).parents[1] / "fixtures" / "shop"
WITH_SPARK = Path(__file__).parents[1] / "integration" / "test_readme.py"
CONFIGURATION = """\
catalog: main
storage: {landing: landing, warehouse: tables, checkpoints: checkpoints, reports: reports}
parameters: {fiscal_year_start_month: 2}
"""


def followed(recipe: CodeType, **given: Any) -> dict[str, Any]:
    """Run a recipe with the names that the reader brings along, and return the names it made."""
    names = dict(given)
    exec(recipe, names)
    return names


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change into the folder of a project."""
    shutil.copytree(FIXTURES, tmp_path / "contracts")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "base.yaml").write_text(CONFIGURATION)
    (tmp_path / "config" / "dev.yaml").write_text("environment: dev\n")
    monkeypatch.chdir(tmp_path)


def test_the_first_example_is_a_pipeline(recipes: Mapping[str, CodeType]) -> None:
    names = followed(
        recipes["databricks-shared-utilities"], clean_orders=lambda orders: orders, order_fact=lambda *_: None
    )

    assert names["PIPELINE"].tables[-1] == "gold.fact_orders"


def test_a_configuration_is_read(recipes: Mapping[str, CodeType]) -> None:
    configuration = followed(recipes["Read a configuration"])["configuration"]

    assert (configuration.environment, configuration.quality.minimum_score) == ("dev", 0.9)


def test_a_secret_is_resolved(recipes: Mapping[str, CodeType], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP__DATABASE_PASSWORD", "hunter2")

    password = followed(recipes["Resolve a secret"])["password"]

    assert password.get_secret_value() == "hunter2"
    assert str(password) == "**********"


def test_contracts_are_read(recipes: Mapping[str, CodeType]) -> None:
    assert followed(recipes["Read contracts"])["orders"].key == ("order_id",)


def test_a_log_line_is_written(recipes: Mapping[str, CodeType], monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DATABRICKS_UTILS_LOG", "DATABRICKS_RUNTIME_VERSION"):
        monkeypatch.delenv(variable, raising=False)

    with redirect_stderr(io.StringIO()) as stream:
        followed(recipes["Read the logs"])
    logging.getLogger("databricks_utils").handlers.clear()

    assert stream.getvalue().endswith("INFO    silver.orders prices loaded: 12 rows, 0.4 s\n")


def test_no_recipe_is_without_a_test(recipes: Mapping[str, CodeType]) -> None:
    tried = {name for path in (Path(__file__), WITH_SPARK) for name in _looked_up(path)}

    assert tried == set(recipes)


def _looked_up(path: Path) -> set[str]:
    """Return the headings that a file asks the recipes for."""
    found = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Subscript))
    asked = [node for node in found if isinstance(node.value, ast.Name) and node.value.id == "recipes"]
    return {str(node.slice.value) for node in asked if isinstance(node.slice, ast.Constant)}
