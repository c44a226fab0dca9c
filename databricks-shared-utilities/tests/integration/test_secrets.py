"""A secret reaches the transformation that names it, and nothing else: not a plan, a log, a page, a record."""

from __future__ import annotations

import hashlib
import html
import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from little_shop import CONTRACTS, FIRST, LAYERS, land
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.cli import Project, command_line
from databricks_utils.config import Configuration, EnvironmentSecrets
from databricks_utils.errors import InvalidInput
from databricks_utils.medallion import Bronze, Files, Gold, Lakehouse, Pipeline, Silver, Upsert
from databricks_utils.pipeline.arguments import HIDDEN_IN_PLANS, arguments_for
from databricks_utils.streaming import EventAlerts, StreamAlerts, StreamGold, StreamSilver, Watermark

#: With what HTML, JSON, SQL and regular expressions write otherwise.
CANARY = "c4n<&'\"|(ary)$ \u00e9-7Q"
LENIENT = ("--set=quality.fail_invalid_share=1", "--set=quality.minimum_score=0", "--debug")
CONFIGURATION = """\
catalog: spark_catalog
storage: {landing: landing, warehouse: tables, checkpoints: checkpoints, reports: reports}
execution: {retries: 0}
logging: {format: json, level: DEBUG}
telemetry: {traces: file, file: traces.jsonl}
feature_flags: {peppered: true}
parameters: {rounds: 1}
secrets: {pepper: "secret://shop/pepper", other: "secret://shop/no-such-secret"}
"""
Transform = Callable[..., DataFrame]
Say = Callable[..., tuple[int, str]]


def with_pepper(orders: DataFrame, *, pepper: str, peppered: bool, rounds: int) -> DataFrame:
    assert rounds == 1
    text = F.concat(F.lit(pepper), F.col("order_id").cast("string")) if peppered else F.lit("")
    return orders.withColumn("revision", F.conv(F.substring(F.sha2(text, 256), 1, 6), 16, 10).cast("int"))


def raising(orders: DataFrame, *, pepper: str) -> DataFrame:
    raise ValueError(f"nothing can be done with {pepper}")


def failing_in_spark(orders: DataFrame, *, pepper: str) -> DataFrame:
    said = F.raise_error(F.concat(F.lit(f"no {pepper} for "), F.col("order_id").cast("string")))
    return orders.withColumn("revision", F.when(F.col("order_id") > 0, said.cast("int")))


def naming_a_column(orders: DataFrame, *, pepper: str) -> DataFrame:
    return orders.withColumn("revision", F.col(f"`{pepper}`"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "shop"
    shutil.copytree(CONTRACTS, place / "contracts")
    land(place / "landing", FIRST)
    (place / "config").mkdir()
    (place / "config" / "base.yaml").write_text(CONFIGURATION.replace("traces.jsonl", str(place / "traces.jsonl")))
    (place / "config" / "local.yaml").write_text("environment: local\n")
    (place / "bundle.yml").write_text("bundle: {name: shop}\n")
    return place


@pytest.fixture
def names(tmp_path: Path, spark: SparkSession) -> Iterator[dict[str, str]]:
    found = {layer: f"{layer}_{tmp_path.name}".lower().replace("-", "_") for layer in LAYERS}
    yield found
    for name in found.values():
        spark.sql(f"DROP SCHEMA IF EXISTS {name} CASCADE")


@pytest.fixture
def say(spark: SparkSession, folder: Path, names: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Return a function that calls a command of a project with a transformation, and gives all that it printed."""
    monkeypatch.setattr("databricks_utils.cli.project.create_session", lambda *_, **__: spark)
    monkeypatch.delenv("LAKEHOUSE_ENV", raising=False)
    monkeypatch.setenv("SHOP__PEPPER", CANARY)

    def called(transform: Transform, *arguments: str) -> tuple[int, str]:
        silver = Silver("orders", reads="bronze.orders", transform=transform, write=Upsert(sequence_by="revision"))
        pipeline = Pipeline("shop", Bronze("orders", source=Files("orders", format="csv")), silver)
        options = [*(f"--schema-{layer}={name}" for layer, name in names.items()), f"--project={folder}"]
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = command_line(Project(pipeline, "shop", folder / "src" / "shop"), [*arguments, *options])
        return code, out.getvalue() + err.getvalue()

    return called


def searched(spark: SparkSession, folder: Path, names: dict[str, str], *printed: str) -> list[str]:
    """Return where the secret can be read: in what was printed, in files that are no tables, in all tables."""
    found: dict[object, str] = dict(enumerate(printed))
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in (".html", ".jsonl", ".json", ".yaml", ".txt"):
            found[path.relative_to(folder)] = path.read_text(encoding="utf-8", errors="replace")
    for schema in names.values():
        for row in spark.sql(f"SHOW TABLES IN {schema}").collect() if spark.catalog.databaseExists(schema) else ():
            rows = spark.table(f"{schema}.{row.tableName}").collect()
            found[row.tableName] = json.dumps([item.asDict(recursive=True) for item in rows], default=str)
    written = {CANARY, html.escape(CANARY), html.escape(CANARY, quote=False), json.dumps(CANARY)[1:-1], repr(CANARY)}
    written |= {json.dumps(CANARY, ensure_ascii=False)[1:-1], CANARY.replace("'", "\\'"), "ary)$"}
    return [
        f"{place}: …{text[max(0, at - 60) : at + 60]}…"
        for place, text in found.items()
        if (at := max(text.find(form) for form in written)) >= 0
    ]


def test_a_secret_reaches_its_transformation_and_stands_nowhere(
    say: Say, spark: SparkSession, folder: Path, names: dict[str, str]
) -> None:
    code, told = say(with_pepper, "run", *LENIENT)
    assert code == 0, told
    _, again = say(with_pepper, "status")

    orders = spark.table(f"{names['silver']}.orders").select("order_id", "revision").collect()
    wanted = {key: int(hashlib.sha256(f"{CANARY}{key}".encode()).hexdigest()[:6], 16) for key in (1, 2, 3)}
    assert {row.order_id: row.revision for row in orders} == wanted
    assert searched(spark, folder, names, told, again) == []


@pytest.mark.parametrize("transform", [raising, failing_in_spark, naming_a_column])
def test_an_error_that_holds_the_secret_is_told_without_it(
    say: Say, spark: SparkSession, folder: Path, names: dict[str, str], transform: Transform
) -> None:
    code, told = say(transform, "run", *LENIENT)

    assert code in (1, 2)
    assert "***" in told
    assert searched(spark, folder, names, told) == []


def test_plans_that_spark_explains_and_shows_do_not_hold_it(say: Say, spark: SparkSession, spark_mode: str) -> None:
    say(with_pepper, "run", *LENIENT)
    frame = spark.range(3).withColumnRenamed("id", "order_id")

    with redirect_stdout(io.StringIO()) as out:
        with_pepper(frame, pepper=CANARY, peppered=True, rounds=1).explain(True)
        spark.sql("SET -v").where("key LIKE '%redaction%'").show(truncate=False)
    shown = out.getvalue()

    assert "sha2" in shown
    assert CANARY not in shown
    assert "ary)$" not in shown
    spark.conf.unset(HIDDEN_IN_PLANS)


def test_plans_do_not_hold_what_spark_has_made_of_it_in_advance(say: Say, spark: SparkSession) -> None:
    """A key for a cipher is bytes, and in a plan their digits; constants are computed before anybody looks."""
    say(with_pepper, "run", *LENIENT)
    key, number = F.lit(CANARY), F.col("id").cast("string")
    made = [
        F.concat(F.encode(key, "UTF-8"), F.encode(number, "UTF-8")),
        F.concat(F.lit(CANARY.encode()), F.encode(number, "UTF-8")),
        F.concat(F.base64(F.encode(key, "UTF-8")), number),
        F.concat(F.upper(key), number),
        F.concat(F.lower(key), number),
    ]

    with redirect_stdout(io.StringIO()) as out:
        spark.range(2).select(*made).explain(True)
    spark.conf.unset(HIDDEN_IN_PLANS)

    shown = out.getvalue().lower()
    digits = CANARY.encode().hex()
    assert "concat" in shown
    assert [form for form in ("c4n<", "ary)$", digits[:12], digits[-12:], "yzrupcynin") if form in shown] == []


@pytest.mark.parametrize("first", ["one", "other"])
def test_of_two_secrets_that_begin_alike_plans_hold_no_part(
    spark: SparkSession, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever is looked up first: neither counts as hidden by the other, nor is the end of the longer one left."""
    values = {"one": "canary-begin", "other": "canary-begin-tail"}
    for name, value in values.items():
        monkeypatch.setenv(f"SHOP__{name.upper()}", value)
    places = {name: name for name in ("landing", "checkpoints", "reports")}
    secrets = {name: f"secret://shop/{name}" for name in values}
    sections = {"environment": "test", "catalog": "spark_catalog", "storage": places, "secrets": secrets}
    configuration = Configuration.model_validate(sections)
    spark.conf.set(HIDDEN_IN_PLANS, "(own|other) rule")
    texts = [*values.values(), "by an own rule"]

    def asks_one(*, one: str) -> None: ...

    def asks_other(*, other: str) -> None: ...

    for asks in (asks_one, asks_other) if first == "one" else (asks_other, asks_one):
        arguments_for(asks, configuration, spark, EnvironmentSecrets())
    with redirect_stdout(io.StringIO()) as out:
        spark.range(1).select(*[F.concat(F.col("id"), F.lit(value)) for value in texts]).explain(True)
    spark.conf.unset(HIDDEN_IN_PLANS)

    assert "concat" in out.getvalue()
    assert "begin" not in out.getvalue()
    assert "tail" not in out.getvalue()
    assert "own rule" not in out.getvalue()


def test_a_secret_that_nobody_names_is_not_looked_up(say: Say) -> None:
    """The other secret of the configuration does not exist, which is of no consequence."""
    assert say(with_pepper, "run", *LENIENT)[0] == 0

    def other_one(orders: DataFrame, *, other: str) -> DataFrame:
        return orders

    code, told = say(other_one, "run", *LENIENT)
    assert code == 2
    assert "SHOP__NO_SUCH_SECRET" in told


@pytest.mark.parametrize("value", ["", "12345"])
def test_a_secret_too_short_to_be_masked_is_refused(say: Say, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP__PEPPER", value)

    code, told = say(with_pepper, "run", *LENIENT)

    assert code == 2
    assert "too short to be masked" in told


def asks(*_: Any, pepper: str, peppered: bool, rounds: int = 5, unknown: int = 7) -> Any:
    return pepper, peppered, rounds, unknown


NODES = [
    Silver("a", reads="bronze.a", transform=asks),
    Gold("a", reads="silver.a", transform=asks),
    StreamSilver("a", reads="bronze.a", transform=asks, watermark=Watermark("event_time", "1 minute")),
    StreamGold("a", reads="silver.a", transform=asks),
    StreamAlerts("a", reads="silver.a", transform=asks),
    EventAlerts("a", reads="silver.a", transform=asks),
]


@pytest.mark.parametrize("node", NODES, ids=lambda node: type(node).__name__)
def test_every_kind_of_table_and_alert_is_given_the_same(
    spark: SparkSession, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP__PEPPER", CANARY)
    places = {name: name for name in ("landing", "checkpoints", "reports")}
    sections = {"feature_flags": {"peppered": False}, "secrets": {"pepper": "secret://shop/pepper"}}
    configuration = Configuration.model_validate(
        {"environment": "test", "catalog": "spark_catalog", "storage": places, **sections}
    )

    found = Lakehouse(spark, configuration, {}).parameters_for(node)

    assert found == {"pepper": CANARY, "peppered": False}
    assert CANARY not in repr(found)
    with pytest.raises(InvalidInput, match="no parameter 'rounds'"):
        arguments_for(with_pepper, configuration, spark, EnvironmentSecrets())
