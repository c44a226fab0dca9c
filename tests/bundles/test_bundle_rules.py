"""Each rule finds the defect it is for, and nothing in a sound bundle."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from bundles.bundle_reader import read_bundle, targets_of
from bundles.bundle_rules import RULES, problems

ROOT = """
bundle:
  name: shop
include:
  - resources/*.yml
artifacts:
  shop:
    type: whl
    build: uv build --wheel --out-dir dist
  library:
    type: whl
    files:
      - source: libs/*.whl
variables:
  catalog: {description: where}
  schedule: {default: "0 0 5 * * ?"}
  warehouse: {lookup: {warehouse: main}}
targets:
  dev:
    mode: development
    variables: {catalog: shop_dev}
  prod:
    mode: production
    workspace:
      root_path: /Workspace/Users/robot/.bundle/shop/prod
    run_as: {service_principal_name: robot}
    variables: {catalog: shop_prod}
    resources: {registered_models: {guess: {lifecycle: {prevent_destroy: true}}}}
"""
RESOURCES = """
resources:
  schemas:
    gold: {name: gold, catalog_name: "${var.catalog}"}
  registered_models:
    guess: {name: guess, catalog_name: "${var.catalog}", schema_name: "${resources.schemas.gold.name}"}
  volumes:
    landing:
      name: landing
      catalog_name: ${var.catalog}
      schema_name: ${resources.schemas.gold.name}
  pipelines:
    flow:
      catalog: ${var.catalog}
      schema: ${resources.schemas.gold.name}
      libraries:
        - glob: {include: ../src/flow.py}
      configuration:
        shop.schemas.gold: ${resources.schemas.gold.name}
      environment:
        dependencies: [../dist/*.whl]
  dashboards:
    sales:
      file_path: ../src/sales.lvdash.json
      warehouse_id: ${var.warehouse}
      dataset_catalog: ${var.catalog}
      dataset_schema: ${resources.schemas.gold.name}
      embed_credentials: false
  jobs:
    nightly:
      schedule: {quartz_cron_expression: "${var.schedule}", timezone_id: UTC, pause_status: PAUSED}
      parameters:
        - {name: day, default: today}
      health: {rules: [{metric: RUN_DURATION_SECONDS, op: GREATER_THAN, value: 3600}]}
      email_notifications: {on_failure: [], on_duration_warning_threshold_exceeded: []}
      environments:
        - environment_key: default
          spec:
            dependencies: [../libs/*.whl, ../dist/*.whl, "pydantic>=2,<3"]
      tasks:
        - task_key: load
          environment_key: default
          python_wheel_task:
            package_name: shop
            entry_point: shop
            parameters:
              - "--day={{job.parameters.day}}"
              - "--schema-gold=${resources.schemas.gold.name}"
              - "--set=models.registered.guess=${resources.registered_models.guess.name}"
        - task_key: sum
          depends_on:
            - task_key: load
          environment_key: default
          python_wheel_task:
            package_name: shop
            entry_point: shop
            parameters:
              - "--landing=/Volumes/${var.catalog}/${resources.schemas.gold.name}/landing"
              - "--set=models.registered.guess=${resources.registered_models.guess.name}"
"""
DASHBOARD = """
{
  "datasets": [{"name": "days", "queryLines": ["SELECT day FROM daily_sales"]}],
  "pages": [{"name": "first", "layout": [{
    "widget": {
      "name": "list",
      "queries": [{"name": "q", "query": {
        "datasetName": "days", "fields": [{"name": "day", "expression": "`day`"}]
      }}],
      "spec": {"widgetType": "table", "encodings": {"columns": [{"fieldName": "day"}]}}
    },
    "position": {"x": 0, "y": 0, "width": 6, "height": 3}
  }]}]
}
"""
PROJECT = '[project]\nname = "shop"\n\n[project.scripts]\nshop = "shop:main"\n'

# What is replaced, by what, and what the rules then say.
DEFECTS = {
    "include": (
        "- resources/*.yml",
        "- resources/*.yml\n  - more/*.yml",
        "include: more/*.yml matches no file",
    ),
    "variable": (
        "catalog: shop_prod",
        "schedule: '0 0 4 * * ?'",
        "${var.catalog} has no value in target prod",
    ),
    "value": ("catalog: shop_prod", "catalog: shop_prod, katalog: x", "katalog is not declared"),
    "cron": ("0 0 5 * * ?", "0 5 * * *", "has 5 fields"),
    "time zone": ("timezone_id: UTC", "timezone_id: America/Chikago", "'America/Chikago' is no time zone"),
    "pause": ("pause_status: PAUSED", "pause_status: STOPPED", "pause_status 'STOPPED'"),
    "health rule": (
        "on_failure: [], on_duration_warning_threshold_exceeded: []",
        "on_failure: []",
        "nobody is told of RUN_DURATION_SECONDS: on_duration_warning_threshold_exceeded is missing",
    ),
    "dependency": (
        "- task_key: load\n          environment_key",
        "- task_key: lode\n          environment_key",
        "depends_on load, which is no task",
    ),
    "cycle": (
        "task_key: load\n          environment_key",
        "task_key: load\n          depends_on: [{task_key: sum}]\n          environment_key",
        "tasks wait for each other",
    ),
    "twice": ("- task_key: sum", "- task_key: load", "task load is there twice"),
    "environment": (
        "- environment_key: default\n",
        "- environment_key: main\n",
        "'default' is not in environments",
    ),
    "cluster": (
        "- task_key: sum\n",
        "- task_key: sum\n          job_cluster_key: big\n",
        "'big' is not in job_clusters",
    ),
    "parameter": ("job.parameters.day", "job.parameters.date", "job parameter date is not declared"),
    "task value": ("--day={{job.parameters.day}}", "{{tasks.lode.values.day}}", "refers to task lode"),
    "resource": (
        "resources.schemas.gold.name}/landing",
        "resources.schemas.golden.name}/landing",
        "there is no resource schemas.golden",
    ),
    "schema of a volume": (
        "schema_name: ${resources.schemas.gold.name}",
        "schema_name: ${var.catalog}",
        "schema '${var.catalog}' is not",
    ),
    "schema option": (
        "--schema-gold=${resources.schemas.gold.name}",
        "--schema-gold=gold",
        "schema 'gold' is not",
    ),
    "schema in a path": (
        "${var.catalog}/${resources.schemas.gold.name}/landing",
        "${var.catalog}/gold/landing",
        "schema 'gold' is not",
    ),
    "schema setting": (
        "shop.schemas.gold: ${resources.schemas.gold.name}",
        "shop.schemas.gold: gold",
        "schema 'gold' is not",
    ),
    "name of a model": (
        "models.registered.guess=${resources.registered_models.guess.name}",
        "models.registered.guess=guess",
        "models.registered.guess=${resources.registered_models.guess.name} is not among its parameters",
    ),
    "model that may go": (
        "guess: {lifecycle: {prevent_destroy: true}}",
        "guess: {comment: x}",
        "registered_models.guess: lifecycle.prevent_destroy is missing in prod",
    ),
    "pipeline's catalog": (
        "    flow:\n      catalog: ${var.catalog}",
        "    flow:",
        "pipelines.flow: no catalog",
    ),
    "pipeline's schema": ("      schema: ${resources.schemas.gold.name}\n", "", "pipelines.flow: no schema"),
    "glob": ("../src/flow.py", "../src/*.sql", "../src/*.sql matches no file"),
    "warehouse": ("      warehouse_id: ${var.warehouse}\n", "", "dashboards.sales: no warehouse_id"),
    "dashboard's schema": (
        "dataset_schema: ${resources.schemas.gold.name}",
        "dataset_schema: gold",
        "schema 'gold' is not",
    ),
    "dashboard's file": ("sales.lvdash.json", "sale.lvdash.json", "../src/sale.lvdash.json does not exist"),
    "dashboard that is none": ("sales.lvdash.json", "flow.py", "flow.py: cannot be read"),
    "dashboard with credentials": (
        "embed_credentials: false",
        "embed_credentials: true",
        "embed_credentials cannot be deployed with run_as",
    ),
    "star": ("pydantic>=2,<3", "pydantic==2.*", "'pydantic==2.*' is taken for a file pattern"),
    "dotted name": ("pydantic>=2,<3", "ruamel.yaml>=0.18", "'ruamel.yaml>=0.18' is taken for a file pattern"),
    "marker": ("pydantic>=2,<3", "pydantic>=2; python_version>'3'", "is taken for a file pattern"),
    "wheel": ("[../libs/*.whl,", "[libs/*.whl,", "libs/*.whl matches no file"),
    "pipeline's wheel": (
        "dependencies: [../dist/*.whl]",
        "dependencies: [dist/*.whl]",
        "dist/*.whl matches no file",
    ),
    "build folder": ("--out-dir dist", "--out-dir build", "../dist/*.whl matches no file"),
    "package": ("package_name: shop", "package_name: store", "package_name 'store' is not 'shop'"),
    "entry point": (
        "entry_point: shop",
        "entry_point: main",
        "entry_point 'main' is not in [project.scripts]",
    ),
    "host": (
        "    workspace:\n",
        "    workspace:\n      host: https://${var.catalog}\n",
        "cannot hold a variable",
    ),
    "mode": ("mode: production", "mode: shared", "mode 'shared'"),
    "root path": (
        "      root_path: /Workspace/Users/robot/.bundle/shop/prod\n",
        "      artifact_path: /Workspace/x\n",
        "production needs workspace.root_path",
    ),
    "shared folder": ("/Workspace/Users/robot", "/Workspace/Shared", "needs CAN_MANAGE for users"),
    "run as": ("    run_as: {service_principal_name: robot}\n", "", "production needs run_as"),
    "development": (
        "    flow:\n",
        "    flow:\n      development: true\n",
        "development is not allowed in production",
    ),
    "identity": (
        "  schemas:\n",
        "  model_serving_endpoints:\n    guess: {name: guess}\n  schemas:\n",
        "model_serving_endpoints.guess: cannot be deployed",
    ),
    "name": (
        "  schemas:\n",
        "  secret_scopes:\n    keys: {name: keys}\n  schemas:\n",
        "secret_scopes.keys: its name needs",
    ),
    "version": (
        "    type: whl\n    build",
        "    type: whl\n    dynamic_version: true\n    build",
        "dynamic_version is only",
    ),
    "no compute": (
        "        - task_key: sum\n",
        "        - task_key: idle\n          python_wheel_task: {package_name: shop, "
        "entry_point: shop}\n        - task_key: sum\n",
        "no compute is named",
    ),
}


def written(folder: Path, root: str = ROOT, resources: str = RESOURCES) -> Path:
    """Write a small bundle and return its folder."""
    (folder / "resources").mkdir()
    (folder / "src").mkdir()
    (folder / "src" / "flow.py").write_text("", encoding="utf-8")
    (folder / "src" / "sales.lvdash.json").write_text(DASHBOARD, encoding="utf-8")
    (folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (folder / "bundle.yml").write_text(root, encoding="utf-8")
    (folder / "resources" / "all.yml").write_text(resources, encoding="utf-8")
    return folder


def found(folder: Path) -> list[str]:
    """Return what the rules say about all targets of a bundle."""
    return [problem for target in targets_of(folder) for problem in problems(read_bundle(folder, target))]


def test_a_sound_bundle_has_no_problems(tmp_path: Path) -> None:
    assert found(written(tmp_path)) == []


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found(name: str, tmp_path: Path) -> None:
    old, new, message = DEFECTS[name]
    assert old in ROOT + RESOURCES

    said = found(written(tmp_path, ROOT.replace(old, new, 1), RESOURCES.replace(old, new, 1)))

    assert any(message in problem for problem in said), said


def test_every_rule_has_a_defect_that_only_it_finds(tmp_path: Path) -> None:
    silent = set(RULES)
    for number, (old, new, message) in enumerate(DEFECTS.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        written(folder, ROOT.replace(old, new, 1), RESOURCES.replace(old, new, 1))
        bundles = [read_bundle(folder, target) for target in targets_of(folder)]
        silent -= {rule for rule in RULES for bundle in bundles if any(message in said for said in rule(bundle))}

    assert [rule.__name__ for rule in silent] == []


def test_a_key_written_twice_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path, resources=RESOURCES.replace("  volumes:", "  schemas: {}\n  volumes:"))

    with pytest.raises(yaml.YAMLError, match="'schemas' is written twice"):
        read_bundle(folder, "dev")


def test_two_root_files_are_refused(tmp_path: Path) -> None:
    folder = written(tmp_path)
    (folder / "databricks.yml").write_text("bundle: {name: other}\n", encoding="utf-8")

    with pytest.raises(ValueError, match="2 root files"):
        read_bundle(folder, "dev")


def test_a_variable_takes_the_value_and_the_type_of_its_target(tmp_path: Path) -> None:
    root = ROOT.replace("variables: {catalog: shop_prod}", "variables: {catalog: 7}")

    bundle = read_bundle(written(tmp_path, root), "prod")

    assert bundle.resources("pipelines")["flow"]["catalog"] == 7
    parameters = bundle.resources("jobs")["nightly"]["tasks"][1]["python_wheel_task"]["parameters"]
    assert parameters[0] == "--landing=/Volumes/7/${resources.schemas.gold.name}/landing"
