"""The tasks of the job: the tables of each, what it waits for, and its text in `resources/jobs.yml`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from databricks_utils.contracts import Contract
from databricks_utils.errors import InvalidInput
from databricks_utils.pipeline import Flow

#: The file of a project that holds its job.
FILE = "resources/jobs.yml"
#: The anchor of what all tasks of tables have in common: compute, retries, parameters. It is the team's text.
ANCHOR = "table_task"
#: A line is a mark if it begins so; what follows says who writes what comes next.
TASKS, LAST = "# tasks of the tables:", "# last tables:"
ENDS = {TASKS: "# end of the tasks of the tables", LAST: "# end of the last tables"}
_KEY = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True)
class JobTask:
    """One task of the job.

    Args:
        key: Its `task_key`.
        tables: The tables it brings up to date.
        waits_for: Keys of the tasks that must be done first.
    """

    key: str
    tables: tuple[str, ...]
    waits_for: tuple[str, ...]


def job_tasks(pipeline: Flow[Any], contracts: Mapping[str, Contract]) -> tuple[JobTask, ...]:
    """Return the tasks of a pipeline's job, in the order of the definition but each after those it waits for.

    Raises:
        InvalidInput: A task has a name that cannot be a key or is another task's, or tasks wait for each other.
    """
    keys = _keys(pipeline)
    tables: dict[str, list[str]] = {}
    for node in pipeline.nodes:
        tables.setdefault(keys[node.table], []).append(node.table)
    graph: dict[str, tuple[str, ...]] = {}
    for key, own in tables.items():
        needed = [other for table in own for other in pipeline.prerequisites(pipeline.node(table), contracts)]
        graph[key] = tuple(dict.fromkeys(keys[other] for other in needed if keys[other] != key))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        grouped = next((key for key in circle if len(tables[key]) > 1), circle[0])
        raise InvalidInput(
            f"Tasks of the job wait for each other: {' → '.join(circle)}",
            where=pipeline.node(tables[grouped][0]).place,
            hint=f"Take a table out of the task {grouped!r}: what it waits for waits for another table of that task",
        ) from None
    return tuple(JobTask(key, tuple(tables[key]), graph[key]) for key in _ordered(graph))


def last_tasks(tasks: Sequence[JobTask]) -> tuple[JobTask, ...]:
    """Return the tasks that no other waits for; what waits for them waits for all tables."""
    waited = {key for task in tasks for key in task.waits_for}
    return tuple(task for task in tasks if task.key not in waited)


def tables_of_task(pipeline: Flow[Any], key: str) -> tuple[str, ...]:
    """Return the tables that a task of the job brings up to date.

    Raises:
        InvalidInput: The pipeline has no such task; the message lists those it has.
    """
    keys = _keys(pipeline)
    found = tuple(table for table in keys if keys[table] == key)
    if not found:
        known = ", ".join(sorted(set(keys.values())))
        raise InvalidInput(
            f"The pipeline {pipeline.name} has no task {key!r}",
            where="--task",
            hint=f"Write the job's tasks anew with the command docs and deploy them. Tasks: {known}",
        )
    return found


def has_marks(text: str) -> bool:
    """Whether any line of a job's file is a mark."""
    return any(_mark(line) for line in text.splitlines())


def with_tasks(text: str, tasks: Sequence[JobTask]) -> str:
    """Return a job's file with the tasks between its marks; every other character stays as it is.

    Args:
        text: The file, with its own line endings.
        tasks: All tasks of tables.

    Raises:
        InvalidInput: A mark is missing, doubled or out of place, or nothing bears the anchor of the tasks.
    """
    lines = text.splitlines(keepends=True)
    parts: list[str] = []
    copied = 0
    for kind, begin, end in _between_marks(lines):
        mark = lines[begin]
        indent, ending = mark[: len(mark) - len(mark.lstrip())], mark[len(mark.rstrip("\r\n")) :]
        parts += lines[copied : begin + 1]
        written = _entries(tasks) if kind == TASKS else [f"- task_key: {task.key}" for task in last_tasks(tasks)]
        parts += [f"{indent}{line}{ending}" for line in written]
        copied = end
        if kind == TASKS and not re.search(rf"&{ANCHOR}\b", "".join(lines[:begin])):
            raise InvalidInput(
                f"Nothing above the tasks of the tables bears the anchor &{ANCHOR}",
                where=f"{FILE}:{begin + 1}",
                hint=f"Write what these tasks have in common under a key of its own at the top: {ANCHOR}: &{ANCHOR}",
            )
    return "".join([*parts, *lines[copied:]])


def _keys(pipeline: Flow[Any]) -> dict[str, str]:
    """Return the key of each table's task."""
    own = {node.table.replace(".", "_"): node.table for node in pipeline}
    keys: dict[str, str] = {}
    for node in pipeline.nodes:
        named = node.task
        if named is not None and not _KEY.fullmatch(named):
            hint = "Write up to 100 letters, digits, _ and -"
            raise InvalidInput(f"{named!r} cannot be the key of a task", where=node.place, hint=hint)
        if named is not None and own.get(named, node.table) != node.table:
            hint = f"Choose another name: the task of {own[named]} has this one"
            raise InvalidInput(f"The task {named!r} is another table's", where=node.place, hint=hint)
        keys[node.table] = named or node.table.replace(".", "_")
    return keys


def _ordered(graph: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the keys of a graph without circles, each after those it needs, and else as they come.

    The order of a topological sorter would move tasks about when one is added, in a text that people review and merge.
    """
    done: set[str] = set()
    waiting = list(graph)[::-1]
    while waiting:
        needed = [key for key in graph[waiting[-1]] if key not in done]
        if needed:
            waiting += reversed(needed)
            continue
        key = waiting.pop()
        if key not in done:
            yield key
        done.add(key)


def _entries(tasks: Sequence[JobTask]) -> Iterator[str]:
    for task in tasks:
        yield f"- task_key: {task.key}"
        if task.tables != (_table_of(task.key),):
            yield from (f"  # {table}" for table in task.tables)
        yield f"  <<: *{ANCHOR}"
        if task.waits_for:
            yield "  depends_on:"
            yield from (f"    - task_key: {key}" for key in task.waits_for)


def _table_of(key: str) -> str:
    return key.replace("_", ".", 1)


def _mark(line: str) -> str | None:
    """Return the beginning or end that a line is, or None."""
    text = line.strip()
    begins = (begin for begin in ENDS if text.startswith(begin))
    return next(begins, text if text in ENDS.values() else None)


def _between_marks(lines: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Yield kind, line of the beginning and line of the end of each part between two marks."""
    open_at: tuple[str, int] | None = None
    kinds = []
    for number, line in enumerate(lines):
        mark = _mark(line)
        if mark is None:
            continue
        if mark in ENDS:
            if open_at is not None:
                raise _misplaced(ENDS[open_at[0]], "is missing above this line", number)
            if mark == TASKS and TASKS in kinds:
                raise _misplaced(TASKS, "is there twice", number)
            open_at = (mark, number)
            kinds.append(mark)
        elif open_at is None or ENDS[open_at[0]] != mark:
            begin = next(begin for begin, end in ENDS.items() if end == mark)
            raise _misplaced(begin, "is missing above this line", number)
        else:
            yield (*open_at, number)
            open_at = None
    if open_at is not None:
        raise _misplaced(ENDS[open_at[0]], "is missing below this line", open_at[1])
    if TASKS not in kinds:
        raise _misplaced(TASKS, "is missing; only the marks of last tables are there", 0)


def _misplaced(mark: str, fault: str, number: int) -> InvalidInput:
    return InvalidInput(
        f"The mark `{mark}` {fault}",
        where=f"{FILE}:{number + 1}",
        hint="What the command docs writes stands between two marks. Put the mark back, or take both away with what is "
        "between them",
    )
