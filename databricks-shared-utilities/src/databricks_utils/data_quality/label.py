"""Labelling rows with the rules they break, in one evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import functions as F

from databricks_utils.data_quality.rules import Rule
from databricks_utils.errors import InputProblems, InvalidInput, LakehouseError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

MALFORMED = "malformed_line"
CAST_PREFIX = "cast: "


def label(rows: DataFrame, rules: Sequence[Rule], *, received: bool = False) -> DataFrame:
    """Add what is wrong with each row.

    Args:
        rows: The columns the rules name; with `received` also `_malformed` BOOLEAN and `_cast_errors` ARRAY<STRING>.
        rules: Row rules.
        received: The rows come from files: a line that could not be split or a value that could not be cast is an
            error too, and the column's other rules then only repeat it.

    Returns:
        The rows given, with `_validation_errors` and `_validation_warnings` ARRAY<STRING> (names of broken rules) and
        `_is_valid` BOOLEAN, which is true when there are no errors.
    """
    errors = _broken([rule for rule in rules if rule.severity == "error"])
    if received:
        cast = F.transform(F.col("_cast_errors"), lambda text: F.concat(F.lit(CAST_PREFIX), text))
        malformed = F.when(F.col("_malformed"), F.array(F.lit(MALFORMED))).otherwise(F.array().cast("array<string>"))
        errors = F.concat(malformed, cast, errors)
    labelled = rows.withColumn("_validation_errors", errors).withColumn(
        "_validation_warnings", _broken([rule for rule in rules if rule.severity == "warning"])
    )
    return labelled.withColumn("_is_valid", F.size("_validation_errors") == 0)


def check_rules(rows: DataFrame, rules: Sequence[Rule], where: str) -> None:
    """Try each rule against the schema of the rows; no row is read.

    Raises:
        InputProblems: Rules that name a missing column, cannot be parsed, or are no condition.
    """
    problems: list[LakehouseError] = []
    for rule in rules:
        try:
            kind = rows.select(F.expr(rule.predicate).alias("it")).schema["it"].dataType.typeName()
        except (AnalysisException, ParseException) as error:
            reason = str(error).strip().splitlines()[0]
            problems.append(InvalidInput(f"The rule {rule.name!r} cannot be evaluated: {reason}", where=where, hint=f"It says: {rule.predicate}"))
            continue
        if kind != "boolean":
            problems.append(InvalidInput(f"The rule {rule.name!r} is a {kind}, not a condition", where=where, hint=f"It says: {rule.predicate}"))
    if problems:
        raise InputProblems(problems)


def _broken(rules: Sequence[Rule]) -> Column:
    if not rules:
        return F.array().cast("array<string>")
    names = [F.expr(f"CASE WHEN NOT coalesce({rule.predicate}, true) THEN {_literal(rule.name)} END") for rule in rules]
    return F.filter(F.array(*names), lambda name: name.isNotNull())


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
