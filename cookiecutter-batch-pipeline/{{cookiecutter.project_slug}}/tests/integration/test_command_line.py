"""What a person at a terminal, a job task or CI gets: exit codes, and messages that say what to do."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from databricks_utils.cli import Project, command_line
from databricks_utils.contracts import read_contract
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.__main__ import PROJECT, main

CAMPAIGNS = "--tables=bronze.campaigns,silver.campaigns"
DIRTY = "--set=storage.landing=tests/fixtures/landing_dirty"


@pytest.fixture
def copied(project_copy: Path) -> Project:
    """Return the project of the copy; without it, skeletons would be written beside the code under test."""
    return dataclasses.replace(PROJECT, package_folder=project_copy / "src" / PROJECT.package_folder.name)


@pytest.fixture
def no_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test when a session is asked for."""

    def started(*_: object, **__: object) -> NoReturn:
        raise AssertionError("Spark was started")

    monkeypatch.setattr("databricks_utils.cli.project.create_session", started)


@pytest.fixture
def own_tables(one_session: SparkSession, warehouse: Path, schemas: dict[str, str]) -> Callable[..., list[str]]:
    """Return a function that makes the arguments of a command, with tables of the test's own."""

    def arguments(*words: str) -> list[str]:
        names = [f"--schema-{layer}={name}" for layer, name in schemas.items()]
        return [*words, *names, f"--set=storage.warehouse={warehouse}"]

    return arguments


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_bad_rows_within_the_thresholds_given_are_exit_code_0_then_status_then_report(
    project_copy: Path, own_tables: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    lenient = ("--set=quality.minimum_score=0", "--set=quality.fail_invalid_share=0.5")

    assert command_line(PROJECT, own_tables("run", CAMPAIGNS, DIRTY, *lenient)) == 0
    assert "silver.campaigns" in capsys.readouterr().out

    assert command_line(PROJECT, own_tables("status")) == 0
    assert "silver.campaigns" in capsys.readouterr().out

    assert command_line(PROJECT, own_tables("report")) == 0
    page = Path(capsys.readouterr().out.split("Report: ")[1].strip())
    assert page.parent == project_copy / ".lakehouse" / "reports"
    assert "silver.campaigns" in page.read_text(encoding="utf-8")


def test_the_same_rows_above_the_thresholds_are_exit_code_3_and_the_tables_are_written(
    project_copy: Path,
    own_tables: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
    one_session: SparkSession,
    schemas: dict[str, str],
) -> None:
    code = command_line(PROJECT, own_tables("run", CAMPAIGNS, DIRTY))

    shown = " ".join(capsys.readouterr().out.split())
    assert code == 3
    assert "50.00% of the rows are invalid, more than 5.00%" in shown
    assert one_session.table(f"{schemas['silver']}.campaigns").count() == 2


def test_a_table_that_fails_is_exit_code_1_and_the_next_one_is_blocked(
    project_copy: Path, own_tables: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    code = command_line(PROJECT, own_tables("run", CAMPAIGNS, "--set=storage.landing=nowhere"))

    shown = capsys.readouterr().out
    assert code == 1
    assert "does not exist" in " ".join(shown.split())
    assert "blocked" in shown


@pytest.mark.usefixtures("no_spark")
def test_a_misspelt_key_of_the_configuration_is_named_with_its_file_and_the_right_one(
    project_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (project_copy / "config" / "local.yaml").open("a", encoding="utf-8") as file:
        file.write("\nqualty:\n  minimum_score: 0.9\n")

    code = command_line(PROJECT, ["run"])

    said = capsys.readouterr().err
    assert code == 2
    assert "local.yaml" in said
    assert "qualty" in said
    assert re.search(r"\bquality\b", said)
    assert "Traceback" not in said


@pytest.mark.usefixtures("no_spark")
def test_mistakes_in_contract_and_configuration_are_reported_together(
    project_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replaced(project_copy / "contracts" / "silver" / "campaigns.yaml", "required: true", "requierd: true")
    replaced(project_copy / "config" / "local.yaml", "cores: 2", "cores: many")

    code = command_line(PROJECT, ["run"])

    said = capsys.readouterr().err
    assert code == 2
    assert "campaigns.yaml" in said
    assert "requierd" in said
    assert "spark.cores" in said
    assert "Traceback" not in said


@pytest.mark.usefixtures("no_spark")
def test_a_contract_that_is_missing_is_named(project_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project_copy / "contracts" / "gold" / "business_metrics.yaml").unlink()

    code = command_line(PROJECT, ["run"])

    assert code == 2
    assert "contracts/gold/business_metrics.yaml" in capsys.readouterr().err


@pytest.mark.usefixtures("no_spark")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--tables", "gold.fact_sale"], "gold.fact_sales"),
        (["run", "--set", "quality.minimum_score=2"], "quality.minimum_score"),
        (["run", "--set", "quality.minimum_scor=0.9"], "minimum_score"),
        (["run", "--set", "nonsense"], "KEY=VALUE"),
        (["run", "--env", "nowhere"], "nowhere"),
        (["run", "--no-such-option"], "--no-such-option"),
        (["restore", "gold.nothing", "--version", "0"], "gold.fact_sales"),
        (["add", "table", "platinum.things"], "platinum.things"),
    ],
)
def test_a_wrong_argument_is_exit_code_2_and_a_sentence(
    arguments: list[str], message: str, project_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = command_line(PROJECT, arguments)

    said = capsys.readouterr().err
    assert code == 2
    assert message in said
    assert "Traceback" not in said


@pytest.mark.usefixtures("no_spark")
def test_documents_that_no_longer_match_the_contracts_are_found_and_written(
    project_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command_line(PROJECT, ["docs"])
    replaced(project_copy / "contracts" / "gold" / "dim_date.yaml", "description: ", "description: Changed, ")

    assert command_line(PROJECT, ["docs", "--check"]) == 1
    assert "data-dictionary.md" in capsys.readouterr().out
    assert command_line(PROJECT, ["docs"]) == 0
    assert command_line(PROJECT, ["docs", "--check"]) == 0


@pytest.mark.usefixtures("no_spark")
def test_add_table_writes_a_contract_and_a_function_once(
    project_copy: Path, copied: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line(copied, ["add", "table", "silver.stores"]) == 0

    function = copied.package_folder / "transformations" / "silver" / "stores.py"
    assert read_contract(project_copy / "contracts" / "silver" / "stores.yaml").name == "silver.stores"
    compile(function.read_text(encoding="utf-8"), str(function), "exec")
    assert "pipeline_definition.py" in capsys.readouterr().out
    assert command_line(copied, ["add", "table", "silver.stores"]) == 2


@pytest.mark.usefixtures("no_spark")
def test_the_process_ends_with_the_exit_code_and_a_good_end_just_returns(
    project_copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [PROJECT.command, "run", "--tables", "gold.nothing"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2

    monkeypatch.setattr("sys.argv", [PROJECT.command, "--help"])
    main()
    assert "run" in capsys.readouterr().out
