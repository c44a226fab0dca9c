from __future__ import annotations

from typing import Any

import pytest
import yaml
from databricks_utils.cli.project import Opened
from databricks_utils.testing.dashboards import dashboard_faults, read_datasets

Dashboards = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def dashboards(project: Opened) -> Dashboards:
    """Return the dashboards of the bundle."""
    text = (project.root / "resources" / "dashboards.yml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text)["resources"]["dashboards"])


def test_every_dashboard_file_is_deployed_and_sound(dashboards: Dashboards, project: Opened) -> None:
    deployed = [(project.root / "resources" / item["file_path"]).resolve() for item in dashboards.values()]

    assert sorted(deployed) == sorted((project.root / "dashboards").glob("*.lvdash.json"))
    assert [fault for path in deployed for fault in dashboard_faults(path)] == []


def test_every_target_reads_its_own_tables(dashboards: Dashboards) -> None:
    assert {(item["dataset_catalog"], item["dataset_schema"]) for item in dashboards.values()} == {
        ("${var.catalog}", "${resources.schemas.operations.name}")
    }


def test_the_names_of_schemas_that_viewers_may_change_begin_as_the_configuration_has_them(project: Opened) -> None:
    schemas = project.configuration.schemas.model_dump()
    (path,) = (project.root / "dashboards").glob("*.lvdash.json")
    given = {name: value for dataset in read_datasets(path) for name, value in dataset.parameters.items()}

    assert {name: value for name, value in given.items() if name.endswith("_schema")} == {
        "silver_schema": schemas["silver"],
        "gold_schema": schemas["gold"],
    }
