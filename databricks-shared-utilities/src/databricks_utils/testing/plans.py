"""What Spark plans to do for a frame, so that a slow way of computing it fails a test of seconds.

The plan is taken from `explain("formatted")`, which classic Spark and Spark Connect both have.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from databricks_utils.medallion.logical_plan import explained

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_NODE = re.compile(r"(?P<indent>(?:[ :] {2})*(?:[:+]- )?)(?:\* )?(?P<name>\S.*?) *\((?P<number>\d+)\)")
_DETAIL = re.compile(r"\((?P<number>\d+)\) ")
_LOCATION = re.compile(r"Location: \w+ ?\[(?P<path>[^,\]]+)")
_PYTHON = re.compile(r"Python|InPandas|InArrow")
_NESTED_LOOPS = ("CartesianProduct", "BroadcastNestedLoopJoin")
#: Sources are too large to be broadcast unasked, and plans are those of a workspace: short sessions do not adapt them.
_PLANNING = {"spark.sql.autoBroadcastJoinThreshold": "-1", "spark.sql.adaptive.enabled": "true"}


@dataclass(frozen=True)
class Step:
    """One operator of a plan.

    Args:
        name: As Spark names it, with the kind and side of a join.
        depth: Indentation; deeper steps below it are what it reads.
        source: Last part of the folder that a scan of files reads; empty otherwise.
    """

    name: str
    depth: int
    source: str = ""


@dataclass(frozen=True)
class Plan:
    """A physical plan before it runs.

    Args:
        steps: The operators, each before what it reads.
        text: The tree as Spark draws it.
    """

    steps: tuple[Step, ...]
    text: str

    @property
    def reads(self) -> Counter[str]:
        """How often each source is scanned."""
        return Counter(step.source for step in self.steps if step.source)

    @property
    def broadcasts(self) -> frozenset[str]:
        """The sources that are sent whole to every worker."""
        found: set[str] = set()
        for position, step in enumerate(self.steps):
            if step.name.startswith("BroadcastExchange"):
                found |= {below.source for below in self._below(position) if below.source}
        return frozenset(found)

    @property
    def nested_loops(self) -> tuple[str, ...]:
        """The joins that compare every row with every row."""
        return tuple(step.name for step in self.steps if step.name.startswith(_NESTED_LOOPS))

    @property
    def python(self) -> tuple[str, ...]:
        """The steps that hand rows to Python."""
        return tuple(step.name for step in self.steps if _PYTHON.search(step.name))

    def _below(self, position: int) -> Iterator[Step]:
        for step in self.steps[position + 1 :]:
            if step.depth <= self.steps[position].depth:
                return
            yield step


def empty_source(spark: SparkSession, folder: Path, schema: str) -> DataFrame:
    """Return a frame over files there are none of: nothing is read, and plans name it by its folder.

    Args:
        spark: Any session of Spark.
        folder: Where the files would be; it is made.
        schema: Spark DDL of the columns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return spark.read.schema(schema).parquet(str(folder))


def plan_of(frame: DataFrame) -> Plan:
    """Return the plan of a frame whose sources are too large to be broadcast unasked, before execution adapts it."""
    with _set(frame.sparkSession, _PLANNING):
        return read_plan(explained(frame.select("*"), "formatted"))  # a frame that was planned before keeps its plan


def read_plan(text: str) -> Plan:
    """Read what `explain("formatted")` prints: a tree of numbered operators, then details by number."""
    tree, _, details = text.partition("\n\n")
    sources = _sources(details)
    steps = []
    for line in tree.splitlines():
        found = _NODE.fullmatch(line.rstrip())
        if found:
            steps.append(Step(found["name"], len(found["indent"]), sources.get(found["number"], "")))
    return Plan(tuple(steps), tree.strip())


def assert_plan(frame: DataFrame, *, reads: Mapping[str, int], broadcasts: Collection[str] = ()) -> None:
    """Check how Spark is going to compute a frame: without Python, without comparing all rows with all.

    Args:
        frame: The frame under test, made from `empty_source` or from tables.
        reads: How often each source may be scanned, by the name of its folder.
        broadcasts: The sources that are sent whole to every worker, and no others.

    Raises:
        AssertionError: Spark would do otherwise; the message says in what, and shows the plan.
    """
    plan = plan_of(frame)
    problems = [
        *(f"rows go through Python: {name}" for name in plan.python),
        *(f"every row is compared with every row: {name}" for name in plan.nested_loops),
    ]
    if plan.reads != Counter(reads):
        problems.append(f"it reads {_counted(plan.reads)}, expected {_counted(reads)}")
    if plan.broadcasts != frozenset(broadcasts):
        problems.append(f"it broadcasts {_listed(plan.broadcasts)}, expected {_listed(broadcasts)}")
    assert not problems, "\n".join(["The plan is not as it should be", *problems, "", plan.text])


def _sources(details: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for block in details.split("\n\n"):
        number, location = _DETAIL.match(block.lstrip("\n")), _LOCATION.search(block)
        if number and location:
            found[number["number"]] = location["path"].rstrip("/").rpartition("/")[2]
    return found


@contextlib.contextmanager
def _set(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    before = {key: spark.conf.get(key) for key in settings}
    for key, value in settings.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, former in before.items():
            if former is not None:
                spark.conf.set(key, former)


def _counted(reads: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count} x" for name, count in sorted(reads.items())) or "nothing"


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
