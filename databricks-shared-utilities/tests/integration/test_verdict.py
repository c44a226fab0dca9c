"""The last task of a job says how the run ended: what tries with nothing new leave, nothing hides."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from little_shop import CONTRACTS, FIRST, LAYERS, daily_orders, land
from pyspark.sql import SparkSession

from databricks_utils.cli import Project, command_line
from databricks_utils.medallion import Bronze, Files, Gold, Pipeline, Replace, Silver, Upsert

PIPELINE = Pipeline(
    "shop",
    Bronze("orders", source=Files("orders", format="csv")),
    Silver("orders", reads="bronze.orders", write=Upsert(sequence_by="revision")),
    Gold("daily_orders", reads="silver.orders", transform=daily_orders, write=Replace(by="ordered_on")),
)
CONFIGURATION = """\
catalog: spark_catalog
storage: {landing: landing, warehouse: tables, checkpoints: checkpoints, reports: reports}
execution: {retries: 0}
"""
Say = Callable[..., tuple[int, str]]


@pytest.fixture
def say(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Say]:
    """Return a function that calls a command of a project, as a task of its job does."""
    folder = tmp_path / "shop"
    shutil.copytree(CONTRACTS, folder / "contracts")
    land(folder / "landing", FIRST)
    (folder / "config").mkdir()
    (folder / "config" / "base.yaml").write_text(CONFIGURATION)
    (folder / "config" / "local.yaml").write_text("environment: local\n")
    (folder / "bundle.yml").write_text("bundle: {name: shop}\n")
    names = {layer: f"{layer}_{tmp_path.name}".lower().replace("-", "_") for layer in LAYERS}
    monkeypatch.setattr("databricks_utils.cli.project.create_session", lambda *_, **__: spark)
    monkeypatch.delenv("LAKEHOUSE_ENV", raising=False)

    def called(*arguments: str) -> tuple[int, str]:
        options = [*(f"--schema-{layer}={name}" for layer, name in names.items()), f"--project={folder}"]
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = command_line(Project(PIPELINE, "shop", folder / "src" / "shop"), [*arguments, *options])
        return code, " ".join((out.getvalue() + err.getvalue()).split())

    yield called
    for name in names.values():
        spark.sql(f"DROP SCHEMA IF EXISTS {name} CASCADE")


def task(table: str, run_id: str) -> tuple[str, ...]:
    return ("run", f"--tables={table}", f"--run-id={run_id}", "--no-verdict")


def test_a_breach_is_written_by_its_task_told_by_the_last_one_and_cleared_by_no_retry_or_repair(say: Say) -> None:
    assert say(*task("bronze.orders", "7"))[0] == 0
    silver, told = say(*task("silver.orders", "7"))
    assert silver == 0
    assert "The breach is on record under run 7; the command verdict ends with 3 for it" in told

    # The gold table's task did not start.
    code, told = say("verdict", "--run-id=7")
    assert code == 1
    assert "gold.daily_orders: nothing is on record" in told
    assert "Verdict of run 7: 1 table not written; 1 breach (exit code 1)" in told

    assert say(*task("gold.daily_orders", "7"))[0] == 0
    code, told = say("verdict", "--run-id=7", "--task=report=success")
    assert code == 3
    assert "silver.orders breach: 25.00% of the rows are invalid, more than 5.00%" in told
    assert "Verdict of run 7: Everything was written; 1 breach (exit code 3)" in told

    # A retry, or a repair of the job: the same run, and nothing new.
    for table in PIPELINE.tables:
        assert say(*task(table, "7"))[0] == 0
    assert say("verdict", "--run-id=7")[0] == 3
    assert "breach" in say("status", "--rows=0")[1]
    assert say("verdict", "--run-id=7", "--task=report=upstream_failed")[0] == 1

    # The next run judges what it has written itself, and on a laptop one command does both.
    assert say("run", "--run-id=8")[0] == 0
    assert say("verdict", "--run-id=8")[0] == 0


def test_a_failed_table_is_told_until_it_is_repaired(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no luck")

    with monkeypatch.context() as patch:
        patch.setattr("databricks_utils.medallion.steps.refine", broken)
        assert say("run", "--run-id=9", "--no-verdict")[0] == 1
        code, told = say("verdict", "--run-id=9")
    assert code == 1
    assert "no luck" in told
    assert "2 tables not written" in told

    for table in ("silver.orders", "gold.daily_orders"):
        assert say(*task(table, "9"), "--set=quality.fail_invalid_share=1", "--set=quality.minimum_score=0")[0] == 0
    assert say("verdict", "--run-id=9")[0] == 0


def test_a_breach_is_found_again_where_it_could_not_be_noted(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions are noted last; the other way about the second try would find nothing new, and nothing wrong."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    assert say(*task("bronze.orders", "10"))[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr("databricks_utils.observability.store.RunStore.save", full)
        assert say(*task("silver.orders", "10"))[0] == 1
    with monkeypatch.context() as patch:
        patch.setattr("databricks_utils.medallion.runner.save_progress", full)
        assert say(*task("silver.orders", "10"))[0] == 1
        code, told = say("verdict", "--run-id=10")
        assert code == 1
        assert "silver.orders: Written, but how far it has read could not be noted" in told

    for table in ("silver.orders", "gold.daily_orders"):
        assert say(*task(table, "10"))[0] == 0
    assert say("verdict", "--run-id=10")[0] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--no-verdict"), "Give the run a name with --run-id"),
        (("verdict", "--run-id=1", "--task=report"), "--task 'report' is not KEY=VALUE"),
    ],
)
def test_what_nobody_could_judge_is_refused(say: Say, arguments: tuple[str, ...], said: str) -> None:
    code, told = say(*arguments)

    assert code == 2
    assert said in told


def test_warnings_are_shown_recorded_and_logged_and_cost_nothing(say: Say) -> None:
    """One of four rows is invalid: that is below the limit that breaches, and above the one that warns."""
    options = ("--set=quality.fail_invalid_share=0.5", "--set=quality.minimum_score=0", "--set=logging.format=json")
    code, told = say("run", *options)

    assert code == 0
    sentence = "25.00% of the rows are invalid, more than 1.00%"
    assert f"silver.orders warning: {sentence}" in told
    assert "Everything was written; 1 warning" in told
    assert f'"message": "{sentence}"' in told
    assert '"event": "quality_warned"' in told
    (report,) = (Path(word) for word in told.split() if word.endswith(".html"))
    assert sentence in report.read_text()
    assert sentence in say("status", "--rows=0")[1]


@pytest.mark.parametrize(
    ("severity", "code", "word"), [(None, 3, "breach"), ("error", 3, "breach"), ("warning", 0, "warning")]
)
def test_a_reference_that_is_not_met_breaches_unless_the_contract_says_warning(
    say: Say, tmp_path: Path, severity: str | None, code: int, word: str
) -> None:
    """In batch it changed a score over all rows and nothing else; rules about rows put rows into quarantine."""
    path = tmp_path / "shop" / "contracts" / "silver" / "orders.yaml"
    own = f", customProperties: [{{property: severity, value: {severity}}}]" if severity else ""
    reference = f"relationships: [{{type: foreignKey, to: silver.customers.customer_id{own}}}]"
    column = "- name: customer_id\n        logicalType: integer\n"
    assert column in path.read_text()
    path.write_text(path.read_text().replace(column, f"{column}        {reference}\n"))

    found, told = say("run", "--set=quality.fail_invalid_share=1", "--set=quality.minimum_score=0")

    assert found == code
    assert f"silver.orders {word}: Rule customer_id_reference is not met: silver.customers does not exist yet" in told
    assert "Everything was written; " + ("1 breach; 1 warning" if code else "2 warnings") in told


def test_check_sees_what_no_run_looks_at_again(say: Say, spark: SparkSession, tmp_path: Path) -> None:
    """Nothing new arrives, so runs say that all is well; tables can still be spoilt, and contracts change."""
    lenient = ("--set=quality.fail_invalid_share=1", "--set=quality.minimum_score=0")
    assert "silver.orders is not there yet" in say("check")[1]
    assert say("run", *lenient)[0] == 0
    assert say("check", "--run-id=good")[0] == 0

    path = tmp_path / "shop" / "contracts" / "silver" / "orders.yaml"
    path.write_text(path.read_text().replace("{minimum: 0}", "{minimum: 2}"))
    assert say("run", *lenient)[0] == 0
    code, told = say("check")
    assert code == 3
    assert "1 breach 1 of 3 rows" in told
    assert "not met: breached" in told

    path.write_text(path.read_text().replace("{minimum: 2}", "{minimum: 0}"))
    schema = f"silver_{tmp_path.name}".lower().replace("-", "_")
    spark.sql(f"INSERT INTO {schema}.orders SELECT * FROM {schema}.orders WHERE order_id = 1")
    code, told = say("check", "--tables=silver.orders")
    assert code == 3
    assert "primary_key 4 1 breach 1 surplus rows" in told


def test_an_age_is_that_of_the_data_and_is_looked_at_though_nothing_was_written(say: Say, tmp_path: Path) -> None:
    lenient = ("--set=quality.fail_invalid_share=1", "--set=quality.minimum_score=0")
    path = tmp_path / "shop" / "contracts" / "silver" / "orders.yaml"
    age = "slaProperties:\n  - {property: freshness, value: 35, unit: h, element: orders.ordered_on}\n"
    path.write_text(path.read_text() + age)

    code, told = say("run", *lenient)
    assert code == 0
    assert "silver.orders warning: Rule freshness is not met" in told
    code, told = say("check")
    assert code == 0
    assert "freshness 1 1 warning" in told
    code, told = say("check", "--set=quality.freshness=error")
    assert code == 3
    assert "freshness 1 1 breach" in told
    assert "freshness" not in say("check", "--set=quality.freshness=ignore")[1]
