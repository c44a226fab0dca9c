"""The command line without Spark: what is wrong is said in a sentence, with exit code 2 and no traceback."""

from __future__ import annotations

import ast
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click
import pytest

from databricks_utils.cli import Project, actions, command_line
from databricks_utils.contracts import read_contract
from databricks_utils.doctor import Check
from databricks_utils.errors import MissingTool
from databricks_utils.medallion import Bronze, Files, Pipeline, Silver
from databricks_utils.streaming import StreamBronze, StreamPipeline
from databricks_utils.streaming.source import RECEIVED

CONTRACTS = Path(__file__).parents[2] / "fixtures" / "shop"
CONFIGURATION = """\
catalog: spark_catalog
storage: {landing: data/landing, warehouse: tables, checkpoints: checkpoints, reports: reports}
"""
SHOP = Pipeline("shop", Bronze("orders", source=Files("orders", format="csv")), Silver("orders", reads="bronze.orders"))
OPENING = (["run"], ["status"], ["report"], ["docs"], ["maintain"], ["restore", "silver.orders", "--version", "0"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change into the folder of a small project and return it; asking for a session fails the test."""
    root = tmp_path / "shop"
    shutil.copytree(CONTRACTS, root / "contracts")
    (root / "config").mkdir()
    (root / "config" / "base.yaml").write_text(CONFIGURATION)
    (root / "config" / "local.yaml").write_text("environment: local\n")
    (root / "bundle.yml").write_text("bundle: {name: shop}\n")
    monkeypatch.chdir(root)
    monkeypatch.delenv("LAKEHOUSE_ENV", raising=False)

    def started(*_: object, **__: object) -> NoReturn:
        raise AssertionError("Spark was started")

    monkeypatch.setattr("databricks_utils.cli.project.create_session", started)
    return root


@pytest.fixture
def project(folder: Path) -> Project:
    """Return the project in that folder."""
    return Project(SHOP, "shop", folder / "src" / "shop")


def refused(project: Project, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must be refused, and return what it said."""
    code = command_line(project, arguments)

    said = capsys.readouterr()
    assert code == 2
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize("command", OPENING, ids=lambda command: command[0])
def test_an_unknown_environment_is_refused_with_those_there_are(
    command: list[str], project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(project, capsys, *command, "--env", "locl")

    assert "There is no environment 'locl'" in said
    assert f"where: {folder}/config/locl.yaml" in said
    assert "Did you mean local? Environments: local" in said


def test_the_environment_of_the_variable_is_checked_too(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_ENV", "nowhere")

    assert "There is no environment 'nowhere'" in refused(project, capsys, "status")


@pytest.mark.parametrize(
    ("setting", "said", "advice"),
    [
        ("nonsense", "--set 'nonsense' is not KEY=VALUE", "Write for example --set quality.minimum_score=0.9"),
        ("=3", "--set '=3' is not KEY=VALUE", "Write for example"),
        ("quality..minimum_score=1", "'quality..minimum_score' is not a key", "Write section.key=value"),
        ("quality.minimum_score=[", "The value '[' cannot be read", "Put it in quotes"),
        ("quality.minimum_score=2", "quality.minimum_score: input should be less than or equal to 1", "It is 2"),
        ("quality.minimum_scor=1", "Unknown key quality.minimum_scor", "Did you mean minimum_score?"),
        ("retention.vacuum_hours=1", "retention.vacuum_hours: input should be greater than or equal to 168", "It is 1"),
    ],
)
@pytest.mark.parametrize("command", ["run", "maintain"])
def test_a_wrong_setting_is_refused(
    command: str, setting: str, said: str, advice: str, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(project, capsys, command, "--set", setting)

    assert said in message
    assert advice in message


def test_a_secret_in_place_of_its_reference_is_refused_and_not_repeated(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(project, capsys, "run", "--set", "secrets.database=hunter2")

    assert "secrets.database must be a reference" in message
    assert "Write secret://scope/key" in message
    assert "hunter2" not in message


@pytest.mark.parametrize("command", [["run"], ["maintain"]], ids=["run", "maintain"])
def test_unknown_tables_are_refused_before_spark_starts(
    command: list[str], project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(project, capsys, *command, "--tables", "bronze.orders,silver.ordrs")

    assert "The pipeline shop has no table 'silver.ordrs'" in message
    assert "Tables: bronze.orders, silver.orders" in message


def test_an_unknown_table_is_not_restored(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(project, capsys, "restore", "gold.orders", "--version", "1")

    assert "The pipeline shop has no table 'gold.orders'" in message


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["restore", "silver.orders"], "Missing option '--version'"),
        (["restore", "--version", "1"], "Missing argument 'TABLE'"),
        (["restore", "silver.orders", "--version", "-1"], "-1 is not in the range x>=0"),
        (["restore", "silver.orders", "--version", "first"], "'first' is not a valid integer"),
        (["status", "--rows", "-1"], "-1 is not in the range x>=0"),
        (["run", "--show", "-1"], "-1 is not in the range x>=0"),
        (["run", "--full-refresh", "perhaps"], "'perhaps' is not a valid boolean"),
        (["sttus"], "No such command 'sttus'"),
        (["run", "--tabels", "x"], "No such option"),
        (["add", "view", "gold.x"], "No such command 'view'"),
    ],
)
def test_a_wrong_word_is_refused(
    arguments: list[str], said: str, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(project, capsys, *arguments)


@pytest.mark.parametrize("command", [["run"], ["docs"], ["add", "table", "gold.x"]], ids=["run", "docs", "add table"])
def test_a_folder_that_is_no_project_is_refused(
    command: list[str], project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(project, capsys, *command, "--project", str(tmp_path / "elsewhere"))

    assert "This is not a project folder: no bundle.yml with config/ beside it" in message
    assert f"where: {tmp_path}/elsewhere" in message
    assert "or name it with --project" in message


@pytest.mark.parametrize("missing", ["contracts", "config/local.yaml", "contracts/silver/orders.yaml"])
def test_a_missing_file_is_named(
    missing: str, project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / missing
    path.rename(folder / "moved")

    assert missing in refused(project, capsys, "run")


def test_a_missing_contract_that_another_refers_to_is_one_message_with_both_files(
    project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "contracts" / "gold" / "dim_customer.yaml").unlink()

    message = refused(project, capsys, "run")

    assert message.count("dim_customer") == 2
    assert "gold.dim_customer has no contract, and is referred to" in message
    assert f"where: {folder}/contracts/gold/fact_orders.yaml:" in message
    assert f"hint:  Write {folder}/contracts/gold/dim_customer.yaml, or remove the reference" in message


def test_a_rule_that_cannot_be_run_is_refused_before_spark_starts(
    project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "contracts" / "silver" / "orders.yaml"
    rule = "    quality:\n      - {metric: rowCount, mustBe: many, name: enough}\n"
    path.write_text(path.read_text() + rule)

    message = refused(project, capsys, "run")

    assert "mustBe: 'many' is not what the operator compares with" in message
    assert f"where: {path}, rule enough" in message
    assert "For example mustBe: 0" in message


def test_a_query_as_a_rule_is_refused(project: Project, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "contracts" / "silver" / "orders.yaml"
    path.write_text(path.read_text() + "    quality:\n      - {type: sql, query: SELECT 1, mustBe: 1}\n")

    message = refused(project, capsys, "docs")

    assert "A rule of type sql cannot be run" in message
    assert str(path) in message


def test_problems_of_configuration_and_contracts_come_together(
    project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "config" / "local.yaml").write_text("environment: local\nqualty: {}\n")
    (folder / "contracts" / "silver" / "orders.yaml").write_text("name: x\n")

    message = refused(project, capsys, "run")

    assert message.startswith("Error: 2 problems in the input\n") or "problems in the input" in message
    assert "Did you mean quality?" in message
    assert "silver/orders.yaml" in message


def test_a_style_of_log_lines_that_is_none_is_refused(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_UTILS_LOG", "xml")

    assert "'xml' is no style of log lines" in refused(project, capsys, "run")


def test_documents_are_written_once_and_checked(
    project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line(project, ["docs", "--check"]) == 1
    assert "Out of date: docs/lineage.md\nRun: shop docs\n" in capsys.readouterr().out

    assert command_line(project, ["docs"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Written: docs/data-dictionary.md",
        "Written: docs/entity-relationship-diagram.md",
        "Written: docs/lineage.md",
    ]
    assert "bronze_orders --> silver_orders" in (folder / "docs" / "lineage.md").read_text()
    assert command_line(project, ["docs", "--check"]) == 0
    assert capsys.readouterr().out == "All documents are up to date.\n"


def test_a_page_of_the_projects_own_is_written_and_checked_like_the_others(
    project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = replace(project, pages=lambda opened: {"prices.md": f"# Prices\n\n{len(opened.contracts)} tables.\n\n"})
    path = folder / "docs" / "prices.md"

    assert command_line(own, ["docs"]) == 0
    assert "Written: docs/prices.md\n" in capsys.readouterr().out
    head, _, text = path.read_text().partition("\n\n")
    assert head == "<!-- Generated from the definitions in src/ by `shop docs`; do not edit. -->"
    assert text == "# Prices\n\n9 tables.\n"

    path.write_text("# Prices\n")
    assert command_line(own, ["docs", "--check"]) == 1
    assert "Out of date: docs/prices.md\nRun: shop docs\n" in capsys.readouterr().out


def test_the_tasks_of_the_job_are_written_with_the_documents_and_checked(
    project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = folder / "resources" / "jobs.yml"
    job.parent.mkdir()
    marks = b"# tasks of the tables: written by `shop docs`\r\n%b# end of the tasks of the tables\r\n# Ours.\r\n"
    job.write_bytes(b"table_task: &table_task {}\r\n" + marks % b"")
    assert command_line(project, ["docs", "--check"]) == 1
    assert "Out of date: resources/jobs.yml\nRun: shop docs\n" in capsys.readouterr().out

    assert command_line(project, ["docs"]) == 0

    assert "Written: resources/jobs.yml\n" in capsys.readouterr().out
    orders = b"- task_key: bronze_orders\r\n  <<: *table_task\r\n- task_key: silver_orders\r\n  <<: *table_task\r\n"
    needs = b"  depends_on:\r\n    - task_key: bronze_orders\r\n"
    assert job.read_bytes() == b"table_task: &table_task {}\r\n" + marks % (orders + needs)
    assert command_line(project, ["docs", "--check"]) == 0


def test_a_job_without_marks_stays_as_it_is_and_says_how_to_get_them(
    project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = folder / "resources" / "jobs.yml"
    job.parent.mkdir()
    job.write_text("# Ours.\nresources: {}\n")

    assert command_line(project, ["docs"]) == 0

    assert job.read_text() == "# Ours.\nresources: {}\n"
    assert capsys.readouterr().out.count("resources/jobs.yml has no marks, so its tasks stay as they are.") == 1
    assert command_line(project, ["docs", "--check"]) == 0
    assert capsys.readouterr().out == "All documents are up to date.\n"


def test_broken_marks_are_refused_with_the_line(
    project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = folder / "resources" / "jobs.yml"
    job.parent.mkdir()
    job.write_text("resources: {}\n# end of the tasks of the tables\n")

    message = refused(project, capsys, "docs")

    assert "The mark `# tasks of the tables:` is missing above this line" in message
    assert "where: resources/jobs.yml:2" in message


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--task=gold_sales"], "The pipeline shop has no task 'gold_sales'"),
        (["--task=bronze_orders", "--tables=bronze.orders"], "A task says which tables it has"),
    ],
)
def test_a_task_that_is_unknown_or_named_beside_tables_is_refused(
    options: list[str], said: str, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(project, capsys, "run", *options)


def test_a_task_runs_its_tables_and_no_others(folder: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(actions, "run", lambda _opened, options, *_: asked.append(options.tables))
    shared = [replace(node, task="orders") for node in SHOP.nodes]

    command_line(project, ["run", "--task=silver_orders"])
    command_line(replace(project, pipeline=Pipeline("shop", *shared)), ["run", "--task=orders"])

    assert asked == [("silver.orders",), ("bronze.orders", "silver.orders")]


@pytest.mark.parametrize("layer", ["bronze", "silver", "gold"])
def test_a_new_table_has_a_contract_and_a_function_where_one_is_needed(
    layer: str, project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line(project, ["add", "table", f"{layer}.visits"]) == 0

    contract = folder / "contracts" / layer / "visits.yaml"
    function = project.package_folder / "transformations" / layer / "visits.py"
    assert read_contract(contract).name == f"{layer}.visits"
    assert function.exists() is (layer != "bronze")
    if function.exists():
        (defined,) = (node for node in ast.parse(function.read_text()).body if isinstance(node, ast.FunctionDef))
        assert defined.name == {"silver": "clean_visits", "gold": "visits"}[layer]
    said = capsys.readouterr().out
    assert f"Written: contracts/{layer}/visits.yaml" in said
    assert f'Next: add {layer.capitalize()}("visits", ' in said
    assert (
        "to orchestration/pipeline_definition.py, then run docs, which writes its task into resources/jobs.yml" in said
    )


@pytest.mark.parametrize("layer", ["bronze", "silver", "gold"])
def test_a_new_stream_has_the_columns_of_one_and_asks_for_no_task_of_its_own(
    layer: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    streams = StreamPipeline("tills", StreamBronze("sales", topic="sales"))
    project: Project[StreamPipeline] = Project(streams, "tills", folder / "src" / "shop")

    assert command_line(project, ["add", "table", f"{layer}.visits"]) == 0

    contract = read_contract(folder / "contracts" / layer / "visits.yaml")
    said = capsys.readouterr().out
    columns = ", ".join(f"{column.name} {column.data_type}" for column in contract.columns)
    assert (
        columns
        == {
            "bronze": RECEIVED,
            "silver": "event_id STRING, event_time TIMESTAMP",
            "gold": "minute_start TIMESTAMP, events BIGINT",
        }[layer]
    )
    assert contract.key == {"bronze": (), "silver": ("event_id",), "gold": ("minute_start",)}[layer]
    assert f'Next: add Stream{layer.capitalize()}("visits", ' in said
    assert "jobs.yml" not in said
    function = folder / "src" / "shop" / "transformations" / layer / "visits.py"
    assert function.exists() is (layer != "bronze")
    if function.exists():
        compile(function.read_text(), str(function), "exec")


@pytest.mark.parametrize("command", [["add", "table", "gold.visits"], ["docs"], ["docs", "--check"]])
def test_a_command_that_writes_files_is_refused_outside_a_project_although_one_is_installed(
    command: list[str],
    project: Project,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(folder.rglob("*"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    message = refused(project, capsys, *command)

    assert "This is not a project folder" in message
    assert f"where: {tmp_path}/elsewhere" in message
    assert sorted(folder.rglob("*")) == before


def test_a_table_is_added_to_the_copy_of_the_project_that_is_named_and_to_no_other_project(
    project: Project, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)

    assert "it has no src/shop" in refused(project, capsys, "add", "table", "gold.visits", "--project", str(copy))
    (copy / "src" / "shop").mkdir(parents=True)
    assert command_line(project, ["add", "table", "gold.visits", "--project", str(copy)]) == 0

    assert (copy / "src" / "shop" / "transformations" / "gold" / "visits.py").is_file()
    assert not (folder / "contracts" / "gold" / "visits.yaml").exists()
    assert not project.package_folder.exists()


def test_what_somebody_wrote_is_not_overwritten(
    project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "contracts" / "silver" / "orders.yaml"
    before = path.read_text()

    message = refused(project, capsys, "add", "table", "silver.orders")

    assert "orders.yaml is there already" in message
    assert f"where: {path}" in message
    assert path.read_text() == before
    assert not project.package_folder.exists()


@pytest.mark.parametrize("name", ["orders", "platinum.x", "gold.", "gold.Big", "gold.1st", "gold.../x", "gold.class"])
def test_a_name_that_no_table_can_have_is_refused(
    name: str, project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))

    assert f"{name!r} is not a table name" in refused(project, capsys, "add", "table", name)
    assert sorted(folder.rglob("*")) == before


def test_the_doctor_ends_with_1_when_something_is_missing(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = [Check("Java", False, "not installed", "Install Java 17"), Check("git", True, "2.4")]
    monkeypatch.setattr(actions, "examine", lambda folder: checks)

    assert command_line(project, ["doctor"]) == 1
    assert "-> Install Java 17" in capsys.readouterr().out

    checks[0] = Check("Java", True, "17")
    assert command_line(project, ["doctor"]) == 0
    assert "All 2 checks passed" in capsys.readouterr().out


def test_the_doctor_outside_of_a_project_says_where_to_go(
    project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bundle.yml").unlink()

    assert "Change into the project's folder" in refused(project, capsys, "doctor")


def test_a_tool_that_is_missing_is_exit_code_1_and_a_sentence(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: object, **__: object) -> NoReturn:
        raise MissingTool("There is no Java", hint="Install it; token=abc123")

    monkeypatch.setattr("databricks_utils.cli.project.create_session", absent)

    assert command_line(project, ["run"]) == 1
    assert capsys.readouterr().err == "Error: There is no Java\n  hint:  Install it; token=***\n"


@pytest.mark.parametrize("debug", [False, True])
def test_a_surprise_is_a_sentence_and_on_request_a_traceback(
    debug: bool, project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(*_: object, **__: object) -> NoReturn:
        raise KeyError("password=hunter2")

    monkeypatch.setattr("databricks_utils.cli.project.create_session", surprise)

    assert command_line(project, ["status", *(["--debug"] if debug else [])]) == 1

    said = capsys.readouterr().err
    assert "Error: KeyError: 'password=***" in said
    assert "--debug to see where it happened" in said
    assert ("Traceback" in said) is debug


def test_a_spark_is_kept_only_for_an_environment_that_runs_it_here(
    project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(project, capsys, "spark", "up", "--set", "spark.mode=databricks")

    assert "The environment local does not run Spark on this machine" in message
    assert not (folder / ".spark").exists()


def test_where_no_spark_is_kept_there_is_nothing_to_end(
    project: Project, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert command_line(project, ["spark", "down"]) == 0
    assert capsys.readouterr().out == "No Spark was up.\n"
    assert not (folder / ".spark").exists()


def test_control_c_is_one_word(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> NoReturn:
        raise click.Abort

    monkeypatch.setattr("databricks_utils.cli.project.create_session", interrupted)

    assert command_line(project, ["run"]) == 130
    assert capsys.readouterr().err == "Stopped.\n"


def test_version_and_help_are_exit_code_0(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(project, ["--version"]) == 0
    assert capsys.readouterr().out.startswith("shop (databricks-shared-utilities), version ")

    assert command_line(project, ["--help"]) == 0
    said = capsys.readouterr().out
    for command in ("run", "status", "report", "docs", "maintain", "restore", "doctor", "add", "spark"):
        assert f"\n  {command} " in said
