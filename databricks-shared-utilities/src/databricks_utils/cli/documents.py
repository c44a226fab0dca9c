"""Documents that follow from contracts and definitions, so that they cannot disagree with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from databricks_utils.cli.project import Opened
from databricks_utils.contracts import column_lineage, data_dictionary, entity_relationship_diagram

HEADER = "<!-- Generated from {source} by `{command} docs`; do not edit. -->\n\n"


def written_documents(project: Opened) -> Mapping[Path, str]:
    """Return the documents by path: data dictionary, entity diagram, lineage, and the pages of the project's own."""
    contracts = project.contracts
    made = {
        "data-dictionary.md": data_dictionary(contracts),
        "entity-relationship-diagram.md": _page("Entity relationship diagram", entity_relationship_diagram(contracts)),
        "lineage.md": _page("Lineage", flow_diagram(project)) + "\n" + column_lineage(contracts),
    }
    own = project.project.pages(project) if project.project.pages else {}
    return {
        project.root / "docs" / name: _header(project, source) + text.rstrip() + "\n"
        for source, pages in (("contracts/", made), ("the definitions in src/", own))
        for name, text in pages.items()
    }


def out_of_date(documents: Mapping[Path, str]) -> list[Path]:
    """Return the documents that are missing or differ from what they should say."""
    return [path for path, text in documents.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def flow_diagram(project: Opened) -> str:
    """Return the tables and what they read as a Mermaid flowchart."""
    pipeline = project.project.pipeline
    lines = ["flowchart LR"]
    for layer in ("bronze", "silver", "gold"):
        lines.append(f"    subgraph {layer}")
        lines += [f"        {_node(node.table)}[{node.name}]" for node in pipeline if node.layer == layer]
        lines.append("    end")
    lines += [f"    {_node(source)} --> {_node(table)}" for source, table in pipeline.edges]
    return "\n".join(lines)


def _header(project: Opened, source: str) -> str:
    return HEADER.format(source=source, command=project.project.command)


def _node(table: str) -> str:
    return table.replace(".", "_")


def _page(title: str, diagram: str) -> str:
    return f"# {title}\n\n```mermaid\n{diagram.strip()}\n```\n"
