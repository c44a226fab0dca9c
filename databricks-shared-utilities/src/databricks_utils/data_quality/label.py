"""Rows labelled with what is wrong with them, by the columns of the row alone."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from databricks_utils.contracts import Severity
from databricks_utils.data_quality.analysis import condition_of, first_line, visible_schema
from databricks_utils.data_quality.rules import ARRIVAL, MALFORMED, Rule
from databricks_utils.data_quality.sql_text import SEPARATOR, joined
from databricks_utils.errors import InputProblems, InvalidInput, LakehouseError
from databricks_utils.sql_literal import string_literal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

ERRORS, WARNINGS, VALID = "_validation_errors", "_validation_warnings", "_is_valid"


def label(df: DataFrame, rules: Sequence[Rule]) -> DataFrame:
    """Add to each row the names of the rules it does not meet.

    Every rule is evaluated once, and its answer depends on the row alone, so that the same row always gets
    the same label and the valid and the invalid rows are together all rows. Rules are checked against the
    frame's schema before anything runs, except inside a declarative pipeline, where Spark does that itself
    later.

    Args:
        df: Typed rows. `_cast_errors` ARRAY<STRING> and `_malformed` BOOLEAN say how a row arrived; a frame
            without them has nothing to say about it.
        rules: From `row_rules`, or made by hand.

    Returns:
        The rows with `_validation_errors` ARRAY<STRING> (`malformed`, the rules of severity error in their
        order, then the entries of `_cast_errors` prefixed `cast:`), `_validation_warnings` ARRAY<STRING>, and
        `_is_valid` BOOLEAN, none of them ever NULL.

    Raises:
        InvalidInput: A rule names a missing column, cannot be parsed or is no condition; several are reported
            together.
    """
    schema = visible_schema(df)
    checked = [rule for rule in rules if rule.kind not in ARRIVAL]
    _check_unique(rules)
    if schema is not None and checked:
        _check(df, schema, checked)
    errors = joined([*_malformed(schema, rules), *_names(checked, "error"), *_refused(schema, rules)])
    labelled = df.withColumns({ERRORS: F.expr(errors), WARNINGS: F.expr(joined(_names(checked, "warning")))})
    return labelled.withColumn(VALID, F.expr(f"size({ERRORS}) = 0"))


def _names(rules: Sequence[Rule], severity: Severity) -> list[str]:
    return [
        f"CASE WHEN NOT coalesce(({rule.predicate}\n), true) THEN {string_literal(rule.name)} END"
        for rule in rules
        if rule.severity == severity
    ]


def _malformed(schema: StructType | None, rules: Sequence[Rule]) -> list[str]:
    if not _says(schema, "_malformed", "malformed", rules):
        return []
    return [f"CASE WHEN _malformed THEN {string_literal(MALFORMED)} END"]


def _refused(schema: StructType | None, rules: Sequence[Rule]) -> list[str]:
    if not _says(schema, "_cast_errors", "cast", rules):
        return []
    between = string_literal(f"{SEPARATOR}cast:")
    return [f"CASE WHEN size(_cast_errors) > 0 THEN concat('cast:', concat_ws({between}, _cast_errors)) END"]


def _says(schema: StructType | None, column: str, kind: str, rules: Sequence[Rule]) -> bool:
    """Say whether the frame has a column about its arrival; unseen, it has those that its rules are about."""
    return any(rule.kind == kind for rule in rules) if schema is None else column in schema.names


def _check_unique(rules: Sequence[Rule]) -> None:
    twice = [name for name, times in Counter(rule.name for rule in rules).items() if times > 1]
    if twice:
        raise InvalidInput(f"Two rules are called {twice[0]!r}", where=rules[0].source or "rules", hint="Rename one")


def _check(df: DataFrame, schema: StructType, rules: Sequence[Rule]) -> None:
    """Ask Spark about all rules at once, and only when it objects about each."""
    refused = _refusal(df, rules)
    if refused is None:
        return
    problems = [problem for rule in rules if (problem := _problem(df, schema, rule))]
    if not problems:
        raise refused
    raise problems[0] if len(problems) == 1 else InputProblems(problems)


def _refusal(df: DataFrame, rules: Sequence[Rule]) -> Exception | None:
    """Return Spark's objection to some rules; None when each of them is a condition on a row."""
    try:
        conditions = [F.expr(rule.predicate) for rule in rules]
        types = df.select(*[item.alias(f"rule_{n}") for n, item in enumerate(conditions)]).schema
        for rule, field in zip(rules, types, strict=True):
            if field.dataType.simpleString() != "boolean":
                return _not_a_condition(rule, field.dataType.simpleString())
        # WHERE refuses what SELECT allows: aggregates, windows and generators.
        every = reduce(lambda left, right: left & right, conditions)
        _ = df.where(every).select(F.lit(1).alias("one")).schema
    except PySparkException as error:
        return error
    return None


def _problem(df: DataFrame, schema: StructType, rule: Rule) -> LakehouseError | None:
    if rule.column is not None and rule.column.lower() not in {name.lower() for name in schema.names}:
        return _missing(rule, rule.column, schema)
    refused = _refusal(df, [rule])
    if not isinstance(refused, PySparkException):
        return refused if isinstance(refused, LakehouseError) else None
    if condition_of(refused).startswith("UNRESOLVED_COLUMN"):
        asked = str((refused.getMessageParameters() or {}).get("objectName", "")).strip("`")
        return _missing(rule, asked, schema)
    return InvalidInput(
        f"The predicate cannot be run: {first_line(refused)}",
        where=rule.where,
        hint=f"It says: {rule.predicate}",
    )


def _not_a_condition(rule: Rule, kind: str) -> InvalidInput:
    return InvalidInput(
        f"The predicate gives {kind.upper()}, not true or false",
        where=rule.where,
        hint=f"It says: {rule.predicate}",
    )


def _missing(rule: Rule, column: str, schema: StructType) -> InvalidInput:
    close = difflib.get_close_matches(column, schema.names, 1)
    known = f"Columns: {', '.join(name for name in schema.names if not name.startswith('_'))}"
    return InvalidInput(
        f"The rule needs the column {column!r}, which is not there",
        where=rule.where,
        hint=f"Did you mean {close[0]}?" if close else known,
    )
