from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from databricks_utils.cli.documents import out_of_date, written_documents
from databricks_utils.cli.project import Opened
from databricks_utils.config import configuration_schema, load_configuration
from databricks_utils.errors import InputProblems

CONFIG = Path(__file__).resolve().parents[2] / "config"
ENVIRONMENTS = sorted(path.stem for path in CONFIG.glob("*.yaml") if path.stem != "base")
IN_A_WORKSPACE = [name for name in ENVIRONMENTS if name != "local"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_configuration_of_an_environment_loads(environment: str) -> None:
    configuration = load_configuration(CONFIG, environment)

    assert configuration.environment == environment


def test_there_is_a_configuration_for_a_laptop_and_for_each_target_of_the_bundle(project: Opened) -> None:
    bundle = yaml.safe_load((project.root / "bundle.yml").read_text(encoding="utf-8"))

    assert set(ENVIRONMENTS) == {"local", *bundle["targets"]}


def test_a_laptop_needs_nothing_that_only_a_workspace_has() -> None:
    configuration = load_configuration(CONFIG, "local")

    assert configuration.spark.mode == "local"
    assert configuration.ingestion.reader == "files"
    assert configuration.storage.warehouse is not None
    assert Path(configuration.storage.landing).is_dir()


@pytest.mark.parametrize("environment", IN_A_WORKSPACE)
def test_a_workspace_reads_and_writes_volumes_of_its_own_catalog(environment: str) -> None:
    configuration = load_configuration(CONFIG, environment)
    storage = configuration.storage
    volumes = f"/Volumes/{configuration.catalog}/"

    assert storage.warehouse is None
    assert all(path.startswith(volumes) for path in (storage.landing, storage.checkpoints, storage.reports))


def test_environments_differ_in_catalog() -> None:
    catalogs = [load_configuration(CONFIG, name).catalog for name in ENVIRONMENTS]

    assert len(set(catalogs)) == len(ENVIRONMENTS)


def test_several_mistakes_are_reported_together_with_file_and_key(project_copy: Path) -> None:
    with (project_copy / "config" / "local.yaml").open("a", encoding="utf-8") as file:
        file.write("\nqualty:\n  minimum_score: 0.9\nlogging:\n  level: LOUD\n")

    with pytest.raises(InputProblems) as caught:
        load_configuration(project_copy / "config", "local")

    text = str(caught.value)
    assert "local.yaml" in text
    assert "qualty" in text
    assert "quality" in text.replace("qualty", "")
    assert "logging.level" in text


def test_the_schema_for_editors_is_the_one_of_the_installed_library(project: Opened) -> None:
    path = project.root / "contracts" / "configuration-schema.yaml"

    assert yaml.safe_load(path.read_text(encoding="utf-8")) == configuration_schema()


def test_the_generated_documents_are_up_to_date(project: Opened) -> None:
    assert out_of_date(written_documents(project)) == []
