"""Documents from contracts: data dictionary, entity diagram, column lineage."""

from __future__ import annotations

from collections.abc import Mapping

from databricks_utils.contracts.model import Column, Contract


def data_dictionary(contracts: Mapping[str, Contract]) -> str:
    """Return a Markdown page with every table and column."""
    parts = ["# Data dictionary\n"]
    for contract in contracts.values():
        parts.append(f"## {contract.name}\n\n{contract.description}\n\n{_facts(contract)}\n")
        parts.append("| column | type | key | required | description | classification |\n|---|---|---|---|---|---|")
        parts.append("\n".join(_row(contract, column) for column in contract.columns) + "\n")
        rules = [rule for rule in contract.declared_rules if rule.description or rule.predicate]
        lines = [
            f"- `{rule.name}` ({rule.severity}): {_cell(rule.description or rule.predicate or '')}" for rule in rules
        ]
        lines += [f"- {_cell(text)} (not checked)" for text in contract.statements]
        if lines:
            parts.append("Rules:\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def entity_relationship_diagram(contracts: Mapping[str, Contract]) -> str:
    """Return the gold tables and their references as a Mermaid entity diagram."""
    gold = {name: contract for name, contract in contracts.items() if contract.layer == "gold"}
    lines = ["erDiagram"]
    for contract in gold.values():
        lines.append(f"    {contract.table} {{")
        for column in contract.columns:
            marks = [mark for mark, given in (("PK", column.name in contract.key), ("FK", column.reference)) if given]
            lines.append(f"        {_mermaid_type(column)} {column.name} {','.join(marks)}".rstrip())
        lines.append("    }")
    for contract in gold.values():
        for column in contract.columns:
            target = (column.reference or "").rpartition(".")[0]
            if target in gold and target != contract.name:
                lines.append(f"    {gold[target].table} ||--o{{ {contract.table} : {column.name}")
    return "\n".join(lines)


def column_lineage(contracts: Mapping[str, Contract]) -> str:
    """Return a Markdown table that says what each column is made from."""
    rows = [
        f"| {contract.name} | `{column.name}` | {_made_from(column)} | {_cell(column.transform or 'cast')} |"
        for contract in contracts.values()
        for column in contract.columns
        if column.sources
    ]
    return "## Columns\n\n| table | column | made from | how |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _made_from(column: Column) -> str:
    return ", ".join(f"`{item}`" for item in column.sources)


def _facts(contract: Contract) -> str:
    facts = [f"version {contract.version}", f"owner {contract.owner or 'nobody yet'}"]
    if contract.key:
        facts.append(f"key ({', '.join(contract.key)})")
    if contract.freshness_hours is not None:
        facts.append(f"at most {contract.freshness_hours:g} hours old")
    return " · ".join(facts)


def _row(contract: Contract, column: Column) -> str:
    key = str(contract.key.index(column.name) + 1) if column.name in contract.key else ""
    required = "yes" if column.required or key else ""
    received = f" Received as `{column.received_as}`." if column.received_as else ""
    description = _cell(column.description + received + (f" → `{column.reference}`" if column.reference else ""))
    return (
        f"| `{column.name}` | {column.data_type} | {key} | {required} | {description} | {column.classification or ''} |"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _mermaid_type(column: Column) -> str:
    return column.data_type.lower().partition("(")[0].partition("<")[0]
