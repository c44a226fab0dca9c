"""The bundle is deployed with the versions that the registry has, or without its endpoint: never with the first one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Answers as the Databricks CLI does in the development target, and notes what it is asked, with which variables.
CLI = """
import json, os, sys
from pathlib import Path
here = Path(__file__).parent
words = sys.argv[1:]
variables = {key: value for key, value in os.environ.items() if key.startswith("BUNDLE_VAR_")}
included = "\\n  - serving/endpoint.yml\\n" in (here.parent / "bundle.yml").read_text()
with (here / "asked.jsonl").open("a") as file:
    file.write(json.dumps([words, variables, included]) + "\\n")
if words[:2] == ["bundle", "validate"]:
    models = {name: {"name": "dev_ann_" + name} for name in ("household_churn", "household_spend")}
    gold = {"name": "dev_ann_gold", "catalog_name": "main"}
    print(json.dumps({"resources": {"schemas": {"gold": gold}, "registered_models": models}}))
sys.exit((here / "fails").exists())
"""
# In place of `uv run --no-dev COMMAND champions …`, whose words are those of a test of the command itself.
UV = """
import sys
from pathlib import Path
here = Path(__file__).parent
(here / "champions.txt").write_text(" ".join(sys.argv[1:]))
said = (here / "said.txt").read_text()
print(said)
sys.exit(2 if said == "no champion" else 0)
"""
VERSIONS = {
    f"BUNDLE_VAR_household_{model}{role}_version": number
    for model, role, number in (
        ("churn", "", "4"),
        ("churn", "_challenger", "5"),
        ("spend", "", "2"),
        ("spend", "_challenger", "2"),
    )
}


@dataclass(frozen=True)
class Place:
    """A copy of what the script looks at, with programs that stand in for the CLI and for uv.

    Args:
        folder: The copy.
    """

    folder: Path

    def deploy(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(self.folder / "scripts" / "deploy.py"), "dev"],
            env={**os.environ, "PATH": str(self.folder / "bin")},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def deployed(self) -> list[tuple[Mapping[str, str], bool]]:
        """Variables of every deployment, and whether the endpoint was in it."""
        lines = (self.folder / "bin" / "asked.jsonl").read_text(encoding="utf-8").splitlines()
        asked = [json.loads(line) for line in lines]
        return [(variables, included) for words, variables, included in asked if words[:2] == ["bundle", "deploy"]]


@pytest.fixture(params=["endpoint", "no endpoint"])
def endpoint(request: pytest.FixtureRequest) -> bool:
    """Say whether bundle.yml includes the endpoint."""
    return bool(request.param == "endpoint")


@pytest.fixture
def place(tmp_path: Path, endpoint: bool) -> Place:
    for folder in ("bin", "scripts"):
        (tmp_path / folder).mkdir()
    bundle = (
        (ROOT / "bundle.yml")
        .read_text(encoding="utf-8")
        .replace("\n  - serving/endpoint.yml", "\n  # - serving/endpoint.yml")
    )
    assert "\n  # - serving/endpoint.yml\n" in bundle
    if endpoint:
        bundle = bundle.replace("\n  # - serving/endpoint.yml\n", "\n  - serving/endpoint.yml\n")
    (tmp_path / "bundle.yml").write_text(bundle, encoding="utf-8")
    (tmp_path / "scripts" / "deploy.py").write_text((ROOT / "scripts" / "deploy.py").read_text(encoding="utf-8"))
    for name, text in (("databricks", CLI), ("uv", UV)):
        program = tmp_path / "bin" / name
        program.write_text(f"#!{sys.executable}\n{text}", encoding="utf-8")
        program.chmod(0o755)
    return Place(tmp_path)


def said_by_the_registry(place: Place, text: str) -> None:
    (place.folder / "bin" / "said.txt").write_text(text, encoding="utf-8")


def test_an_endpoint_gets_the_versions_of_the_registry_under_the_names_of_the_target(
    place: Place, endpoint: bool
) -> None:
    said_by_the_registry(place, "".join(f"export {name}={number}\n" for name, number in VERSIONS.items()))

    done = place.deploy()

    assert done.returncode == 0, done.stderr
    assert place.deployed == [(VERSIONS if endpoint else {}, endpoint)]
    if endpoint:
        words = (place.folder / "bin" / "champions.txt").read_text(encoding="utf-8").split()
        assert words[:3] == ["run", "--no-dev", "{{ cookiecutter.project_slug }}"]
        assert {"champions", "--env=dev", "--catalog=main", "--schema-gold=dev_ann_gold"} <= set(words)
        assert "--set=models.registered.household_churn=dev_ann_household_churn" in words


@pytest.mark.parametrize("program", ["databricks", "uv"])
def test_a_program_that_is_not_there_is_named_and_nothing_is_deployed(
    place: Place, endpoint: bool, program: str
) -> None:
    (place.folder / "bin" / program).unlink()
    said_by_the_registry(place, "".join(f"export {name}={number}\n" for name, number in VERSIONS.items()))

    done = place.deploy()

    needed = endpoint or program == "databricks"
    assert (done.returncode, "Traceback" in done.stderr) == (1 if needed else 0, False)
    assert (f"{program} cannot be started" in done.stderr) == needed
    assert not needed or program == "databricks" or place.deployed == []


@pytest.mark.parametrize(
    "printed", ["", "no JSON", "[]", "{}", '{"resources": null}', '{"resources": {"schemas": {"gold": {}}}}']
)
def test_a_bundle_that_cannot_be_understood_is_not_deployed(place: Place, endpoint: bool, printed: str) -> None:
    program = place.folder / "bin" / "databricks"
    text = program.read_text(encoding="utf-8")
    program.write_text(text.replace("    print(json.dumps(", f"    print({printed!r}) or (lambda _: 0)((", 1))

    done = place.deploy()

    assert (done.returncode, "Traceback" in done.stderr) == (1 if endpoint else 0, False)
    assert ("The bundle names no schema gold" in done.stderr) == endpoint
    assert len(place.deployed) == (0 if endpoint else 1)


def test_before_the_first_promotion_the_bundle_is_deployed_without_its_endpoint_and_the_file_stays(
    place: Place, endpoint: bool
) -> None:
    before = (place.folder / "bundle.yml").read_text(encoding="utf-8")
    said_by_the_registry(place, "")

    done = place.deploy()

    assert done.returncode == 0, done.stderr
    assert place.deployed == [({}, False)]
    assert ("deployed without the endpoint" in done.stdout) == endpoint
    assert (place.folder / "bundle.yml").read_text(encoding="utf-8") == before


def test_where_the_registry_gives_no_answer_nothing_is_deployed(place: Place, endpoint: bool) -> None:
    """In a shell, `eval "$(champions)" && deploy` goes on when the first command fails."""
    said_by_the_registry(place, "no champion")

    done = place.deploy()

    assert done.returncode == (1 if endpoint else 0)
    assert place.deployed == ([] if endpoint else [({}, False)])
    assert "Traceback" not in done.stderr


def test_a_deployment_that_fails_is_a_failure_and_leaves_the_file_as_it_was(place: Place, endpoint: bool) -> None:
    before = (place.folder / "bundle.yml").read_text(encoding="utf-8")
    said_by_the_registry(place, "")
    (place.folder / "bin" / "fails").touch()

    done = place.deploy()

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert (place.folder / "bundle.yml").read_text(encoding="utf-8") == before
    assert "ended with 1" in done.stderr
