"""The tasks of the job follow from the pipeline definition, and only what stands between the marks is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from databricks_utils.cli.job_tasks import has_marks, job_tasks, last_tasks, tables_of_task, with_tasks
from databricks_utils.contracts import Contract, read_contract
from databricks_utils.errors import InvalidInput
from databricks_utils.medallion import Bronze, Files, Gold, Lookup, Node, Pipeline, Silver

JOB = """\
# Ours.  \n\
table_task: &table_task
  environment_key: default
  python_wheel_task: {parameters: [run, "--task={{task.name}}"]}

resources:
  jobs:
    shop_job:
      name: "shop — Täglich"
      tasks:
        # tasks of the tables: written by `shop docs`
        - task_key: gone
        # end of the tasks of the tables

        - task_key: verdict
          depends_on:
            # last tables: written by `shop docs`
            - task_key: gone
            # end of the last tables
            - task_key: report
          max_retries: 0
"""
ORDERS, PRODUCTS = Bronze("orders", source=Files("orders")), Bronze("products", source=Files("products"))


def shop(*nodes: Node) -> Pipeline:
    return Pipeline("shop", ORDERS, PRODUCTS, *nodes)


def written(pipeline: Pipeline, contracts: dict[str, Contract] | None = None, text: str = JOB) -> str:
    return with_tasks(text, job_tasks(pipeline, contracts or {}))


def test_each_table_has_a_task_with_what_all_share_and_what_it_waits_for() -> None:
    text = written(shop(Silver("orders", reads="bronze.orders", lookups=["bronze.products"])))

    assert (
        """\
        # tasks of the tables: written by `shop docs`
        - task_key: bronze_orders
          <<: *table_task
        - task_key: bronze_products
          <<: *table_task
        - task_key: silver_orders
          <<: *table_task
          depends_on:
            - task_key: bronze_orders
            - task_key: bronze_products
        # end of the tasks of the tables
"""
        in text
    )
    assert "`\n            - task_key: silver_orders\n            # end of the last tables\n" in text


def test_a_task_waits_for_what_the_contract_of_its_table_refers_to(tmp_path: Path) -> None:
    path = tmp_path / "orders.yaml"
    path.write_text(
        """\
apiVersion: v3.2.0
kind: DataContract
id: bronze-orders
name: orders
version: 1.0.0
status: active
schema:
  - name: orders
    physicalType: table
    properties:
      - name: product_id
        logicalType: string
        physicalType: STRING
        relationships: [{type: foreignKey, to: bronze.products.product_id}]
""",
        encoding="utf-8",
    )
    folder = tmp_path / "bronze"
    folder.mkdir()
    contract = read_contract(path.rename(folder / path.name))

    tasks = {task.key: task for task in job_tasks(shop(), {contract.name: contract})}

    assert tasks["bronze_orders"].waits_for == ("bronze_products",)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_what_stands_outside_the_marks_keeps_every_byte(ending: str) -> None:
    before = JOB.replace("\n", ending)

    after = written(shop(), text=before)

    kept = [
        part.replace(f"        - task_key: gone{ending}", "") for part in before.split(f"    - task_key: gone{ending}")
    ]
    for part in kept:
        assert part in after
    assert ("\r\n" in after, after.replace("\r\n", "").count("\r")) == (ending == "\r\n", 0)
    assert after.count("\n") == after.count(ending)
    assert written(shop(), text=after) == after


def test_both_sides_of_a_conflict_between_the_marks_are_replaced() -> None:
    conflict = "<<<<<<< ours\n        - task_key: a\n=======\n        - task_key: b\n>>>>>>> theirs\n"

    assert written(shop(), text=JOB.replace("        - task_key: gone\n", conflict, 1)) == written(shop())


def test_tables_of_one_task_share_it_and_wait_for_what_any_of_them_needs() -> None:
    pipeline = shop(
        Silver("products", reads="bronze.products", task="references"),
        Silver("stores", reads="bronze.orders", task="references"),
        Gold("sales", reads="bronze.orders", lookups=["silver.products", "silver.stores"]),
    )

    tasks = {task.key: task for task in job_tasks(pipeline, {})}

    assert tasks["references"].tables == ("silver.products", "silver.stores") == tables_of_task(pipeline, "references")
    assert set(tasks["references"].waits_for) == {"bronze_products", "bronze_orders"}
    assert tasks["gold_sales"].waits_for == ("bronze_orders", "references")
    assert "- task_key: references\n          # silver.products\n          # silver.stores\n" in written(pipeline)


def test_tasks_keep_the_order_of_the_definition_where_they_can() -> None:
    late = Silver("products", reads="bronze.products")
    pipeline = Pipeline(
        "shop", ORDERS, Silver("orders", reads="bronze.orders", lookups=["silver.products"]), PRODUCTS, late
    )

    keys = [task.key for task in job_tasks(pipeline, {})]

    assert keys == ["bronze_orders", "bronze_products", "silver_products", "silver_orders"]


def test_tables_of_one_task_do_not_wait_for_each_other() -> None:
    chain = Pipeline(
        "shop",
        Bronze("orders", source=Files("orders"), task="orders"),
        Silver("orders", reads="bronze.orders", task="orders"),
    )

    (task,) = job_tasks(chain, {})

    assert (task.key, task.tables, task.waits_for) == ("orders", ("bronze.orders", "silver.orders"), ())


def test_a_group_that_would_wait_for_itself_is_refused_with_its_definition() -> None:
    pipeline = Pipeline(
        "shop",
        Bronze("orders", source=Files("orders"), task="outer"),
        Silver("orders", reads="bronze.orders"),
        Gold("sales", reads="silver.orders", task="outer"),
    )

    with pytest.raises(InvalidInput, match="Tasks of the job wait for each other") as refused:
        job_tasks(pipeline, {})

    assert "Take a table out of the task 'outer'" in str(refused.value)
    assert "test_job_tasks.py:" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bronze_orders", "The task 'bronze_orders' is another table's"),
        ("all references", "'all references' cannot be the key of a task"),
        ("", "'' cannot be the key of a task"),
    ],
)
def test_a_name_that_cannot_be_a_task_of_its_own_is_refused(name: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        job_tasks(shop(Silver("orders", reads="bronze.orders", task=name)), {})


def test_a_task_that_the_definition_does_not_know_is_refused_with_those_it_knows() -> None:
    assert tables_of_task(shop(), "bronze_orders") == ("bronze.orders",)

    with pytest.raises(InvalidInput, match="has no task 'silver_orders'") as refused:
        tables_of_task(shop(), "silver_orders")

    assert "Tasks: bronze_orders, bronze_products" in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "said", "line"),
    [
        ("        # end of the tasks of the tables\n", "", "# end of the tasks of the tables` is missing above", 16),
        ("            # end of the last tables\n", "", "# end of the last tables` is missing below", 17),
        ("        # tasks of the tables: written by `shop docs`\n", "", "# tasks of the tables:` is missing above", 12),
        ("            # last tables: written by `shop docs`\n", "", "# last tables:` is missing above", 18),
        ("# last tables: w", "# tasks of the tables: w", "# tasks of the tables:` is there twice", 17),
        ("&table_task\n", "\n", "Nothing above the tasks of the tables bears the anchor &table_task", 11),
    ],
)
def test_marks_that_do_not_fit_are_named_with_their_line_and_what_to_do(
    old: str, new: str, said: str, line: int
) -> None:
    assert old in JOB

    with pytest.raises(InvalidInput) as refused:
        written(shop(), text=JOB.replace(old, new, 1))

    assert said in str(refused.value)
    assert f"resources/jobs.yml:{line}" in str(refused.value)
    assert "hint" in str(refused.value)


def test_marks_in_the_wrong_order_are_refused() -> None:
    begin, end = "# tasks of the tables: written by `shop docs`", "# end of the tasks of the tables"
    reversed_marks = JOB.replace(begin, "BEGIN").replace(end, begin).replace("BEGIN", end)

    with pytest.raises(InvalidInput, match="# tasks of the tables:` is missing above this line"):
        written(shop(), text=reversed_marks)


def test_last_tables_alone_are_refused_and_a_file_without_marks_is_none_of_ours() -> None:
    with pytest.raises(InvalidInput, match="only the marks of last tables are there"):
        written(shop(), text="    # last tables: x\n    # end of the last tables\n")

    assert has_marks(JOB)
    assert not has_marks("# The tasks of the tables: by hand\nresources: {}\n")


@st.composite
def pipelines(draw: st.DrawFn) -> Pipeline:
    """Draw a pipeline of any shape in which each table reads tables before it."""
    nodes: list[Node] = [Bronze("t0", source=Files("t0"))]
    for number in range(1, draw(st.integers(1, 9))):
        known = [node.table for node in nodes]
        reads, *lookups = draw(st.lists(st.sampled_from(known), min_size=1, max_size=4, unique=True))
        kind = draw(st.sampled_from([Silver, Gold]))
        nodes.append(kind(f"t{number}", reads=reads, lookups=[Lookup(table) for table in lookups]))
    return Pipeline("drawn", *draw(st.permutations(nodes)))


@given(pipelines())
def test_what_tasks_wait_for_is_what_must_be_there_before_their_tables(pipeline: Pipeline) -> None:
    text = written(pipeline)

    tasks = {task["task_key"]: task for task in yaml.safe_load(text)["resources"]["jobs"]["shop_job"]["tasks"]}
    verdict = tasks.pop("verdict")
    waiting = {key: [item["task_key"] for item in task.get("depends_on", [])] for key, task in tasks.items()}
    keys = {table: table.replace(".", "_") for table in pipeline.tables}
    needed = {keys[node.table]: [keys[table] for table in pipeline.prerequisites(node, {})] for node in pipeline}
    assert waiting == needed
    assert {task["environment_key"] for task in tasks.values()} == {"default"}
    waited = {key for others in needed.values() for key in others}
    last = {key for key in needed if key not in waited}
    assert {item["task_key"] for item in verdict["depends_on"]} == last | {"report"}
    assert {task.key for task in last_tasks(job_tasks(pipeline, {}))} == last
