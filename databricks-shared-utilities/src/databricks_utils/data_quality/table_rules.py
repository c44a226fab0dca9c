"""From a contract to the rules its table must meet as a whole."""

from __future__ import annotations

from collections.abc import Iterator

from databricks_utils.contracts import Contract, DeclaredRule
from databricks_utils.data_quality.row_rules import compiled, is_row_rule
from databricks_utils.data_quality.rules import PRIMARY_KEY, TableRule
from databricks_utils.errors import InvalidInput


def table_rules(contract: Contract) -> tuple[TableRule, ...]:
    """Compile what a contract says about its table: keys, references, freshness, counts and tolerances.

    A missed freshness is a warning: the rows there are can be right.

    Raises:
        InvalidInput: A rule cannot be run; the message names file, rule and column.
    """
    return (*_keys(contract), *_references(contract), *_freshness(contract), *_declared(contract))


def _keys(contract: Contract) -> Iterator[TableRule]:
    path, none = str(contract.path), {"mustBe": 0}
    if contract.key:
        yield TableRule(PRIMARY_KEY, "unique", "error", contract.key, limits=none, source=path)
    for column in contract.columns:
        if column.unique and contract.key != (column.name,):
            yield TableRule(f"{column.name}_unique", "unique", "error", (column.name,), limits=none, source=path)


def _references(contract: Contract) -> Iterator[TableRule]:
    for column in contract.columns:
        if column.reference:
            yield TableRule(
                f"{column.name}_reference",
                "reference",
                column.reference_severity,
                (column.name,),
                reference=column.reference,
                source=str(contract.path),
            )


def _freshness(contract: Contract) -> Iterator[TableRule]:
    if contract.freshness_hours is not None and contract.freshness_column:
        yield TableRule(
            "freshness",
            "freshness",
            "warning",
            (contract.freshness_column,),
            maximum_age_hours=contract.freshness_hours,
            source=str(contract.path),
        )


def _declared(contract: Contract) -> Iterator[TableRule]:
    for rule in contract.declared_rules:
        if not is_row_rule(rule):
            yield _table_rule(contract, rule)


def _table_rule(contract: Contract, rule: DeclaredRule) -> TableRule:
    path = str(contract.path)
    if rule.metric == "rowCount":
        return TableRule(rule.name, "row_count", rule.severity, limits=rule.operators, source=path)
    if rule.metric == "duplicateValues":
        columns = _columns(contract, rule)
        return TableRule(rule.name, "unique", rule.severity, columns, limits=rule.operators, source=path)
    if rule.metric in ("nullValues", "missingValues", "invalidValues"):
        row = compiled(contract, rule)
        columns = (rule.column,) if rule.column else ()
        return TableRule(
            rule.name,
            "tolerance",
            rule.severity,
            columns,
            predicate=row.predicate,
            limits=rule.operators,
            source=path,
        )
    raise InvalidInput(
        f"Unknown metric {rule.metric!r}",
        where=f"{path}, rule {rule.name}",
        hint="Known: nullValues, missingValues, invalidValues, duplicateValues, rowCount",
    )


def _columns(contract: Contract, rule: DeclaredRule) -> tuple[str, ...]:
    named = rule.arguments.get("properties")
    names = [str(name) for name in named] if isinstance(named, list | tuple) else [rule.column] if rule.column else []
    return tuple(contract.column(name.rpartition(".")[2]).name for name in names)
