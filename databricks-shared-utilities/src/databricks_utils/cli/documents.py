"""Documents that follow from the contracts and the pipeline definition, so that they cannot disagree with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from databricks_utils.cli.project import Opened
from databricks_utils.contracts import column_lineage, data_dictionary, entity_relationship_diagram

HEADER = "<!-- Generated from contracts/ by `{command} docs`; do not edit. -->\n\n"


def written_documents(project: Opened) -> Mapping[Path, str]:
    """Return the documents by path: data dictionary, entity diagram, lineage."""
    contracts = project.contracts
    header = HEADER.format(command=project.project.command)
    pages = {
        "data-dictionary.md": data_dictionary(contracts),
        "entity-relationship-diagram.md": _page("Entity relationship diagram", entity_relationship_diagram(contracts)),
        "lineage.md": _page("Lineage", flow_diagram(project)) + "\n" + column_lineage(contracts),
    }
    return {project.root / "docs" / name: header + text.rstrip() + "\n" for name, text in pages.items()}


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


def _node(table: str) -> str:
    return table.replace(".", "_")


def _page(title: str, diagram: str) -> str:
    return f"# {title}\n\n```mermaid\n{diagram.strip()}\n```\n"
