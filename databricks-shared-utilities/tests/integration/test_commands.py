"""The commands on tables: one season of a small shop, told by what each command printed and left behind."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.cli import Project, command_line
from databricks_utils.contracts import parse_schema
from databricks_utils.delta import append_records
from databricks_utils.medallion import Bronze, Files, Gold, Lakehouse, Pipeline, Replace, Silver, Upsert
from databricks_utils.observability.store import QUALITY, RUNS, TABLES

CONTRACTS = Path(__file__).parents[1] / "fixtures" / "shop"
LAYERS = ("bronze", "silver", "gold", "operations")
LENIENT = ("--set=quality.minimum_score=0", "--set=quality.fail_invalid_share=1")
KEPT = ("silver.orders", "silver.orders_quarantine", "gold.agg_daily_orders")
FIRST = "1,10,2024-01-05,5.00,1\n2,10,2024-02-05,7.50,1\nx,20,2024-02-05,1.00,1\n"
SECOND = "2,10,2024-02-05,8.00,2\n4,10,2024-03-02,2.00,1\n"
HEADER = "order_id,customer_id,ordered_on,amount,revision\n"
CONFIGURATION = """\
catalog: spark_catalog
storage: {landing: data/landing, warehouse: tables, checkpoints: checkpoints, reports: reports}
execution: {retries: 0}
"""


def daily_orders(orders: DataFrame) -> DataFrame:
    return orders.groupBy("ordered_on").agg(F.sum("amount").alias("amount"), F.count(F.lit(1)).alias("orders"))


SHOP = Pipeline(
    "shop",
    Bronze("orders", source=Files("orders", format="csv")),
    Silver("orders", reads="bronze.orders", write=Upsert(sequence_by="revision")),
    Gold("agg_daily_orders", reads="silver.orders", transform=daily_orders, write=Replace(by="ordered_on")),
)


@dataclass(frozen=True)
class Said:
    """What a command ended with and printed."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        return " ".join(self.out.split())


Rows = Mapping[str, Counter[tuple[object, ...]]]
Say = Callable[..., None]


@dataclass
class Season:
    """The commands of a season by name, and the rows of the tables at its moments."""

    folder: Path
    said: dict[str, Said] = field(default_factory=dict)
    rows: dict[str, Rows] = field(default_factory=dict)


@pytest.fixture(scope="module")
def season(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Season]:
    """Live through the season once; the tests only look at it."""
    told = Season(written_project(tmp_path_factory.mktemp("season") / "shop"))
    project = Project(SHOP, "shop", told.folder / "src" / "shop")
    names = [f"--schema-{layer}={layer}_{told.folder.parent.name}" for layer in LAYERS]

    def say(name: str, *arguments: str) -> None:
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = command_line(project, [*arguments, *names, f"--project={told.folder}"])
        told.said[name] = Said(code, out.getvalue(), err.getvalue())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("databricks_utils.cli.project.create_session", lambda *_, **__: spark)
        for variable in ("DATABRICKS_UTILS_LOG", "DATABRICKS_RUNTIME_VERSION", "LAKEHOUSE_ENV"):
            patch.delenv(variable, raising=False)
        overrides = {f"schemas.{layer}": f"{layer}_{told.folder.parent.name}" for layer in LAYERS}
        shop = project.open("local", str(told.folder), **overrides).lakehouse()
        try:
            live(told, shop, say, patch)
            yield told
        finally:
            for schema in overrides.values():
                spark.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def live(told: Season, shop: Lakehouse, say: Say, patch: pytest.MonkeyPatch) -> None:
    """Go through every command that needs tables, in the order a person would."""
    say("status before", "status")
    say("report before", "report")
    say("maintain before", "maintain")
    say("restore before", "restore", "silver.orders", "--version", "0")

    say("first run", "run", "--run-id", "monday", *LENIENT)
    silver, gold = shop.version("silver.orders"), shop.version("gold.agg_daily_orders")
    told.rows["first"] = contents(shop)
    (told.folder / "data/landing/orders/2.csv").write_text(HEADER + SECOND)
    patch.setenv("DATABRICKS_UTILS_LOG", "json")
    say("second run", "run", "--show", "1", *LENIENT)
    patch.delenv("DATABRICKS_UTILS_LOG")
    told.rows["second"] = contents(shop)
    say("status", "status", "--rows", "2")
    say("report", "report")

    expired = f"UPDATE {shop.identifier('bronze.orders')} SET _ingestion_date = DATE'2000-01-01' WHERE order_id = 'x'"
    shop.spark.sql(expired)
    say("maintain one", "maintain", "--tables", "gold.agg_daily_orders")
    for number in (1, 2):
        append_records(shop.spark, shop.namespace, "gold.scores", [(number,)], parse_schema("id BIGINT"))
    say("maintain", "maintain")
    log = told.folder / "tables" / shop.configuration.schemas.gold / "damaged" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020d}.json").write_text("{}\n")
    say("maintain with damage", "maintain")
    shutil.rmtree(log.parent)
    told.rows["maintained"] = contents(shop)
    say("run after maintain", "run", *LENIENT)
    told.rows["after maintain"] = contents(shop)

    say("restore too far", "restore", "silver.orders", "--version", "999")
    say("restore gold", "restore", "gold.agg_daily_orders", "--version", str(gold))
    say("restore silver", "restore", "silver.orders", "--version", str(silver))
    told.rows["restored"] = contents(shop)
    say("run after restore", "run", *LENIENT)
    told.rows["after restore"] = contents(shop)
    say("restore bronze", "restore", "bronze.orders", "--version", str(shop.version("bronze.orders")))


def written_project(folder: Path) -> Path:
    """Write a project with the first delivery landed, and return its folder."""
    shutil.copytree(CONTRACTS, folder / "contracts")
    daily = folder / "contracts" / "gold" / "daily_orders.yaml"
    text = daily.read_text().replace("daily_orders", "agg_daily_orders")
    daily.with_name("agg_daily_orders.yaml").write_text(text)
    (folder / "config").mkdir()
    (folder / "config" / "base.yaml").write_text(CONFIGURATION)
    (folder / "config" / "local.yaml").write_text("environment: local\n")
    (folder / "bundle.yml").write_text("bundle: {name: shop}\n")
    (folder / "data" / "landing" / "orders").mkdir(parents=True)
    (folder / "data" / "landing" / "orders" / "1.csv").write_text(HEADER + FIRST)
    return folder


def contents(shop: Lakehouse) -> Rows:
    """Return the rows of tables without the columns that hold the time of processing."""
    found = {}
    for table in KEPT:
        names = [name for name in shop.read(table).columns if not name.startswith("_")]
        found[table] = Counter(tuple(row) for row in shop.read(table).select(*names).collect())
    return found


def test_before_the_first_run_each_command_says_what_to_do(season: Season) -> None:
    for name in ("status before", "report before"):
        assert season.said[name].code == 2
        assert season.said[name].err == (
            "Error: Nothing has been run in this environment yet\n  hint:  Run the pipeline first: run\n"
        )
    assert season.said["restore before"].code == 2
    assert season.said["restore before"].err == (
        "Error: silver.orders does not exist yet\n  hint:  Run it first: run --tables silver.orders\n"
    )
    assert season.said["maintain before"] == Said(0, "There are no tables yet; they come with the first run.\n", "")


def test_a_run_into_a_pipe_is_a_table_and_one_readable_line_for_each_table(season: Season) -> None:
    first = season.said["first run"]

    assert first.code == 0
    assert "shop in local, run monday" in first.out
    assert max(len(line) for line in first.out.splitlines() if not line.startswith("Report: ")) <= 80
    lines = [line for line in first.err.splitlines() if "table finished: succeeded, " in line]
    assert [line.split()[2] for line in lines] == list(SHOP.tables)
    assert all("INFO    " in line for line in lines)
    # One of its rows is in quarantine, which is more than the share from which on a run warns.
    (warned,) = (line for line in first.err.splitlines() if line not in lines)
    assert "WARNING " in warned
    assert "silver.orders 33.33% of the rows are invalid" in warned
    assert "{" not in first.err


def test_a_run_for_a_machine_logs_json_beside_the_same_table(season: Season) -> None:
    second = season.said["second run"]

    assert second.code == 0
    lines = [json.loads(line) for line in second.err.splitlines()]
    assert {line["table"] for line in lines} == set(SHOP.tables)
    assert {line["event"] for line in lines} == {"table_finished"}
    assert "silver.orders" in second.out


def test_show_prints_rows_of_gold_and_status_says_it_again(season: Season) -> None:
    shown = season.said["second run"].words
    assert "gold.agg_daily_orders ordered_on amount orders" in shown
    assert "2024-01-05 5.00 1" in shown
    assert "2024-02-05 8.00 1" not in shown

    status = season.said["status"]
    assert (status.code, status.err) == (0, "")
    assert "2024-02-05 8.00 1" in status.words
    assert "2024-03-02" not in status.words
    table = status.out[: status.out.index("gold.agg_daily_orders ")]
    assert table.split("run ")[0] == season.said["second run"].out.split("run ")[0]
    assert "gold.agg_daily_orders" not in season.said["first run"].out.split("succeeded in")[1]


def test_the_report_is_written_again_to_the_same_place(season: Season) -> None:
    path = Path(season.said["report"].out.removeprefix("Report: ").strip())

    assert season.said["report"].code == 0
    assert path.parent == season.folder / "reports"
    assert f"Report: {path}" in season.said["second run"].out
    page = path.read_text(encoding="utf-8")
    assert "Last runs" in page
    assert "2024-02-05" in page


def test_maintenance_expires_bronze_and_leaves_every_other_row(season: Season) -> None:
    maintained = season.said["maintain"]

    assert (maintained.code, maintained.err) == (0, "")
    lines = dict(line.split(": ", 1) for line in maintained.out.splitlines())
    assert set(lines) == {
        *SHOP.tables,
        "silver.orders_quarantine",
        "gold.scores",
        "operations.progress",
        RUNS.name,
        TABLES.name,
        QUALITY.name,
    }
    assert list(lines)[:3] == list(SHOP.tables)
    assert lines["gold.scores"].startswith("2 small files compacted")
    assert lines["bronze.orders"].startswith("1 expired rows deleted, ")
    assert all(text.endswith("small files compacted, vacuumed") for text in lines.values())
    assert "expired" not in lines["silver.orders"]
    assert int(lines["operations.table_runs"].split()[0]) >= 2
    assert season.rows["maintained"] == season.rows["second"]
    (only,) = season.said["maintain one"].out.splitlines()
    assert only.startswith("gold.agg_daily_orders: ")


def test_a_table_that_cannot_be_maintained_is_told_and_the_others_are(season: Season) -> None:
    told, sound = season.said["maintain with damage"], season.said["maintain"]

    assert told.code == 1
    assert {line.partition(":")[0] for line in told.out.splitlines()} == {
        line.partition(":")[0] for line in sound.out.splitlines()
    }
    first, last = told.err.splitlines()
    assert first.startswith("gold.damaged: not maintained: ")
    assert last == f"1 of {len(sound.out.splitlines()) + 1} tables were not maintained; the others were."


def test_the_run_after_maintenance_changes_nothing(season: Season) -> None:
    assert season.said["run after maintain"].code == 0
    assert season.rows["after maintain"] == season.rows["second"]


def test_a_restored_table_is_as_it_was_and_the_next_run_brings_it_up_to_date(season: Season) -> None:
    assert season.said["restore gold"].code == season.said["restore silver"].code == 0
    assert "; the next run reads on from there.\n" in season.said["restore silver"].out
    for table in ("silver.orders", "gold.agg_daily_orders"):
        assert season.rows["restored"][table] == season.rows["first"][table]
        assert season.rows["restored"][table] != season.rows["second"][table]

    assert season.said["run after restore"].code == 0
    for table in ("silver.orders", "gold.agg_daily_orders"):
        assert season.rows["after restore"][table] == season.rows["second"][table]


def test_a_version_that_is_not_there_is_refused_with_those_there_are(season: Season) -> None:
    refused = season.said["restore too far"]

    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("Error: silver.orders has no version 999\n  hint:  It has the versions 0 to ")


def test_restoring_bronze_says_that_files_are_not_read_again(season: Season) -> None:
    said = season.said["restore bronze"]

    assert said.code == 0
    assert "Files that had been read are not read again; what is to come back must be delivered under" in said.words
