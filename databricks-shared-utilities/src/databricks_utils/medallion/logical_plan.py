"""What Spark understood of a frame: its analyzed plan, read from `explain`, which classic Spark and Connect both have.

The text is Spark's own (`TreeNode.treeString`): an operator a line, children indented by three letters; a subquery is
drawn one level deeper than its operator's children. Literals are printed as they are, so that text which cannot be
taken apart counts as not understood.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from pyspark.errors import PySparkException

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_LINE = re.compile(r"(?P<indent>(?:[ :] {2})*)(?:\+- |:- )(?P<text>.*)")
_SECTION = re.compile(r"== Analyzed Logical Plan ==\n.*?\n(?P<tree>.*?)\n\n== Optimized Logical Plan ==", re.DOTALL)
_NAMED = re.compile(r"(?P<expression>.*) AS (?P<name>.+?)#(?P<id>\d+)(?:L|-T\d+ms)?", re.DOTALL)
_ATTRIBUTE = re.compile(r"(?P<name>.+?)#(?P<id>\d+)(?:L|-T\d+ms)?", re.DOTALL)
_REFERENCE = re.compile(r"#(?P<id>\d+)(?:L|-T\d+ms)?")
#: Python has one standard output, and a session one set of settings, for all threads.
_EXPLAINING = threading.RLock()
#: More columns of an operator than so many are left out of the text.
_MOST_FIELDS = ("spark.sql.debug.maxToStringFields", "10000")


@dataclass
class Operator:
    """One operator of an analyzed plan.

    Args:
        text: As Spark writes it, its name first.
        children: What it reads.
        subqueries: Plans inside its expressions.
    """

    text: str
    children: list[Operator] = field(default_factory=list)
    subqueries: list[Operator] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Spark's name of the operator, such as `Project`."""
        found = re.match(r"\w+", self.text)
        return found[0] if found else ""

    def walk(self) -> Iterator[Operator]:
        """Yield the operator and everything below it."""
        yield self
        for below in (*self.subqueries, *self.children):
            yield from below.walk()

    def lists(self) -> list[list[str]]:
        """Return the items of each list in square brackets at the top of the text, such as a projection's columns."""
        return [items(group) for group in _groups(self.text)]


def analyzed_plan(frame: DataFrame) -> Operator:
    """Return the plan of a frame as its author wrote it, with every name resolved. Nothing runs.

    Raises:
        AnalysisException: Spark cannot resolve the frame.
    """
    with _EXPLAINING, _every_field(frame.sparkSession):
        found = _SECTION.search(explained(frame, "extended"))
    return read_tree(found["tree"] if found else "")


def explained(frame: DataFrame, mode: str) -> str:
    """Return what `explain` prints, where other threads may print or explain something of their own meanwhile."""
    with _EXPLAINING:
        own = _OwnOutput(sys.stdout)
        with contextlib.redirect_stdout(own):
            frame.explain(mode)
    return own.text.getvalue()


class _OwnOutput(io.TextIOBase):
    """Keeps what the thread that made it prints, and hands on what others print."""

    def __init__(self, others: TextIO) -> None:
        self.text, self._others, self._thread = io.StringIO(), others, threading.get_ident()

    def write(self, text: str) -> int:
        return (self.text if threading.get_ident() == self._thread else self._others).write(text)

    def flush(self) -> None:
        self._others.flush()

    def isatty(self) -> bool:
        return self._others.isatty()


def read_tree(text: str) -> Operator:
    """Read a drawn tree; a line that begins no operator belongs to the literal of the one before."""
    lines = text.splitlines() or [""]
    root = Operator(lines[0])
    path = [(0, root)]
    for line in lines[1:]:
        found = _LINE.fullmatch(line)
        if found is None:
            path[-1][1].text += f"\n{line}"
            continue
        depth = len(found["indent"]) // 3 + 1
        while path[-1][0] >= depth:
            path.pop()
        above, parent = path[-1]
        operator = Operator(found["text"])
        (parent.children if depth == above + 1 else parent.subqueries).append(operator)
        path.append((depth, operator))
    return root


def definitions(operators: Iterable[Operator]) -> Mapping[int, tuple[str, str]]:
    """Return name and expression of each column that operators compute, by its identity."""
    found: dict[int, tuple[str, str]] = {}
    for operator in operators:
        for item in (item for group in operator.lists() for item in group):
            if match := _NAMED.fullmatch(item):
                found[int(match["id"])] = (match["name"], match["expression"])
    return found


def column(item: str) -> tuple[str, int] | None:
    """Return name and identity of a plain or computed column in a list; None for anything else."""
    match = _NAMED.fullmatch(item) or _ATTRIBUTE.fullmatch(item)
    return (match["name"], int(match["id"])) if match else None


def resolve(expression: str, named: Mapping[int, tuple[str, str]], sources: Mapping[int, str]) -> str:
    """Write an expression with the columns of the source alone.

    Args:
        expression: As Spark writes it.
        named: From `definitions`.
        sources: Names of the source's columns by identity.

    Returns:
        The expression with `⟨name⟩` for each column of the source. A `#` is left where a column is not understood.
    """
    written, rest = "", expression
    while match := _REFERENCE.search(rest):
        identity, before = int(match["id"]), rest[: match.start()]
        name, meaning = named.get(identity, ("", ""))
        if identity in sources:
            name, meaning = sources[identity], f"⟨{sources[identity]}⟩"
        elif name:
            below = {key: value for key, value in named.items() if key != identity}
            meaning = resolve(meaning, below, sources)
        if not name or not before.endswith(name):
            return f"{written}{rest}"
        written += before[: len(before) - len(name)] + meaning
        rest = rest[match.end() :]
    return written + rest


def items(text: str) -> list[str]:
    """Split a list at the commas outside of brackets."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def _groups(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for position, letter in enumerate(text):
        if letter == "[" and depth == 0:
            start = position + 1
        depth += (letter in "([") - (letter in ")]")
        if letter == "]" and depth == 0:
            yield text[start:position]


@contextlib.contextmanager
def _every_field(spark: SparkSession) -> Iterator[None]:
    """Let Spark write lists in full; serverless compute does not, and cuts them at 25 columns."""
    key, value = _MOST_FIELDS
    before = spark.conf.get(key, None)
    try:
        spark.conf.set(key, value)
    except PySparkException:
        yield
        return
    try:
        yield
    finally:
        spark.conf.unset(key) if before is None else spark.conf.set(key, before)
