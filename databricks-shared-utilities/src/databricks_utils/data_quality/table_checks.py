"""Running the rules about whole tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pyspark.errors import AnalysisException

from databricks_utils.data_quality.analysis import condition_of, first_line
from databricks_utils.data_quality.limits import described, within
from databricks_utils.data_quality.results import RuleResult
from databricks_utils.data_quality.rules import PRIMARY_KEY, TableRule
from databricks_utils.data_quality.sql_text import quoted_name
from databricks_utils.errors import InvalidInput

if TYPE_CHECKING:
    from pyspark.sql import Row, SparkSession

#: From a table's `layer.table` to its quoted SQL identifier.
Resolve = Callable[[str], str]

#: Kinds that no shared pass can count.
_OWN_QUERY = ("unique", "reference")
_ROWS = ""

#: What Spark and Delta say of a table that is not there, by name or by path.
_ABSENT = ("TABLE_OR_VIEW_NOT_FOUND", "DELTA_TABLE_NOT_FOUND", "DELTA_MISSING_DELTA_TABLE", "PATH_NOT_FOUND")


def run_table_rules(
    spark: SparkSession,
    table: str,
    rules: Sequence[TableRule],
    resolve: Resolve,
    *,
    now: datetime,
    proved_unique: int | None = None,
    known_rows: int | None = None,
) -> list[RuleResult]:
    """Check a table against its rules.

    One query counts for all rules that need a single pass, another for all keys and references. Rows with a NULL in a
    key or a reference are not looked at: that is what not_null rules are for.

    Args:
        spark: The session.
        table: Quoted SQL identifier of the table.
        rules: From `table_rules`.
        resolve: Gives the identifiers of tables referred to.
        now: The moment that ages are measured against, with a time zone. A DATE counts as the end of its day,
            UTC.
        proved_unique: Rows whose primary key the write itself has proved unique; no query repeats that.
        known_rows: Rows of the table, where the write has told; rules about their number then need no query.

    Returns:
        One result for each rule, in the order of the rules.

    Raises:
        InvalidInput: A rule names a column the table does not have, or `now` has no time zone.
    """
    if now.tzinfo is None:
        raise InvalidInput("The moment has no time zone", where=f"now={now!r}", hint="Use datetime.now(timezone.utc)")
    if not rules:
        return []
    check = _Check(spark, table, resolve, now)
    shared = [rule for rule in rules if rule.kind not in _OWN_QUERY]
    counts = check.counts(shared, known_rows) if shared else {}
    proved = [rule for rule in rules if rule.name == PRIMARY_KEY and proved_unique is not None]
    own = check.own_counts([rule for rule in rules if rule.kind in _OWN_QUERY and rule not in proved])
    return [
        _outcome(rule, proved_unique or 0, 0, True, "") if rule in proved else check.result(rule, counts, own)
        for rule in rules
    ]


@dataclass(frozen=True)
class _Check:
    spark: SparkSession
    table: str
    resolve: Resolve
    now: datetime

    def counts(self, rules: Sequence[TableRule], known_rows: int | None) -> Mapping[str, Any]:
        """Run the one pass that these rules share; return the rows of the table and what each rule counts."""
        if known_rows is not None and all(rule.kind == "row_count" for rule in rules):
            return {_ROWS: known_rows, **{rule.name: known_rows for rule in rules}}
        wanted = [f"{_counted(rule)} AS n{number}" for number, rule in enumerate(rules)]
        row = self._only_row(f"SELECT count(1) AS n, {', '.join(wanted)} FROM {self.table}", rules)
        return {_ROWS: row["n"], **{rule.name: row[f"n{number}"] for number, rule in enumerate(rules)}}

    def own_counts(self, rules: Sequence[TableRule]) -> Mapping[str, tuple[int, int] | None]:
        """Return rows looked at and rows at fault for each key and reference; None without a table to refer to."""
        if not rules:
            return {}
        queries = [self._unique(rule) if rule.kind == "unique" else self._reference(rule) for rule in rules]
        numbered = [f"SELECT {number} AS number, n, failed FROM ({query})" for number, query in enumerate(queries)]
        try:
            rows = self.spark.sql(" UNION ALL ".join(numbered)).collect()
        except AnalysisException as error:
            if len(rules) > 1:
                # One of them does not fit; asked one by one, they say which.
                return {name: found for rule in rules for name, found in self.own_counts([rule]).items()}
            if rules[0].kind == "reference" and condition_of(error) in _ABSENT:
                return {rules[0].name: None}
            raise _misfit(rules, error) from error
        return {rules[row["number"]].name: (int(row["n"]), int(row["failed"])) for row in rows}

    def result(
        self, rule: TableRule, counts: Mapping[str, Any], own: Mapping[str, tuple[int, int] | None]
    ) -> RuleResult:
        """Decide one rule by what was counted."""
        if rule.kind in _OWN_QUERY:
            return _decided(rule, own[rule.name])
        counted = counts[rule.name]
        if rule.kind == "freshness":
            return self._freshness(rule, counted)
        passed = within(rule.limits, counted)
        detail = f"{counted} rows, {described(rule.limits)}"
        if rule.kind == "row_count":
            return _outcome(rule, 1, 0 if passed else 1, passed, detail)
        return _outcome(rule, counts[_ROWS], counted, passed, detail)

    def _only_row(self, query: str, rules: Sequence[TableRule]) -> Row:
        try:
            return self.spark.sql(query).collect()[0]
        except AnalysisException as error:
            raise _misfit(rules, error) from error

    def _unique(self, rule: TableRule) -> str:
        """Return SQL that counts the rows which would have to go to make the key unique."""
        keys = ", ".join(map(quoted_name, rule.columns))
        groups = f"SELECT count(1) AS m FROM {self.table} WHERE {_present(rule.columns)} GROUP BY {keys}"
        return f"SELECT coalesce(sum(m), 0) AS n, coalesce(sum(m - 1), 0) AS failed FROM ({groups})"

    def _reference(self, rule: TableRule) -> str:
        """Return SQL that counts the rows whose value the other table does not have."""
        target, _, column = str(rule.reference).rpartition(".")
        own, other = quoted_name(rule.columns[0]), quoted_name(column)
        # Both sides are reduced to their different values first: a small join, and no row counts twice.
        present = f"FROM {self.table} WHERE {own} IS NOT NULL"
        values = f"SELECT {own} AS value, count(1) AS m {present} GROUP BY {own}"
        known = f"SELECT DISTINCT {other} AS value, true AS known FROM {self.resolve(target)} WHERE {other} IS NOT NULL"
        return (
            f"SELECT coalesce(sum(m), 0) AS n, coalesce(sum(m) FILTER (WHERE known IS NULL), 0) AS failed "
            f"FROM ({values}) LEFT JOIN ({known}) USING (value)"
        )

    def _freshness(self, rule: TableRule, newest: float | None) -> RuleResult:
        limit = rule.maximum_age_hours or 0.0
        if newest is None:
            return _outcome(rule, 1, 1, False, f"no value of {rule.column}, so no age")
        age = max(0.0, (self.now - datetime.fromtimestamp(0, timezone.utc)).total_seconds() - newest) / 3600
        passed = age <= limit
        return _outcome(rule, 1, 0 if passed else 1, passed, f"{age:.1f} hours old, at most {limit:g}")


def _decided(rule: TableRule, found: tuple[int, int] | None) -> RuleResult:
    if found is None:
        return _outcome(rule, 0, 0, False, f"{str(rule.reference).rpartition('.')[0]} does not exist yet")
    checked, failed = found
    if rule.kind == "unique":
        detail = f"{failed} surplus rows, {described(rule.limits)}" if failed else ""
        return _outcome(rule, checked, failed, within(rule.limits, failed), detail)
    detail = f"{failed} of {checked} values are not in {rule.reference}" if failed else ""
    return _outcome(rule, checked, failed, failed == 0, detail)


def _misfit(rules: Sequence[TableRule], error: AnalysisException) -> InvalidInput:
    names = ", ".join(rule.name for rule in rules)
    return InvalidInput(
        f"A rule does not fit the table: {first_line(error)}",
        where=f"{rules[0].source}, rules {names}",
        hint="Compare the contract's columns with the table's",
    )


def _counted(rule: TableRule) -> str:
    if rule.kind == "tolerance":
        return f"count_if(NOT coalesce(({rule.predicate}), true))"
    if rule.kind == "freshness":
        return _newest(quoted_name(rule.columns[0]))
    return "count(1)"


def _newest(column: str) -> str:
    """Return SQL for the newest value in seconds since 1970, UTC; of a DATE it is the end of the day."""
    newest = f"max({column})"
    end_of_day = f"(unix_date(CAST({newest} AS DATE)) + 1) * 86400D"
    moment = f"unix_micros(CAST({newest} AS TIMESTAMP)) / 1000000D"
    return f"CASE WHEN typeof({newest}) = 'date' THEN {end_of_day} ELSE {moment} END"


def _present(columns: Sequence[str]) -> str:
    return " AND ".join(f"{quoted_name(column)} IS NOT NULL" for column in columns)


def _outcome(rule: TableRule, checked: int, failed: int, passed: bool, detail: str) -> RuleResult:
    return RuleResult(rule.name, rule.column, rule.kind, rule.severity, checked, failed, passed, detail)
