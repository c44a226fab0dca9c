"""What follows from contracts and definitions, so that it cannot disagree: documents, and the tasks of the job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from databricks_utils.cli.job_tasks import FILE, has_marks, job_tasks, with_tasks
from databricks_utils.cli.project import Opened
from databricks_utils.contracts import column_lineage, data_dictionary, entity_relationship_diagram
from databricks_utils.medallion import Pipeline

HEADER = "<!-- Generated from {source} by `{command} docs`; do not edit. -->\n\n"


def docs(project: Opened, check: bool) -> int:
    """Write what follows from contracts and definitions, or say what of it is out of date; then the exit code is 1."""
    documents = written_documents(project)
    stale = out_of_date(documents)
    if check and stale:
        for path in stale:
            click.echo(f"Out of date: {path.relative_to(project.root)}")
        click.echo(f"Run: {project.project.command} docs")
        return 1
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(documents[path].encode())
        click.echo(f"Written: {path.relative_to(project.root)}")
    if not stale:
        click.echo("All documents are up to date.")
    if not check and _job_text(project) is not None and project.root / FILE not in documents:
        click.echo(
            f"{FILE} has no marks, so its tasks stay as they are. To have them written, take over that file of the"
        )
        click.echo("template, put back what is your own, and run docs again.")
    return 0


def written_documents(project: Opened) -> Mapping[Path, str]:
    """Return the files by path: data dictionary, entity diagram, lineage, the pages of the project's own, and its job.

    A job whose file has no marks is the team's alone, and not among them.
    """
    contracts = project.contracts
    made = {
        "data-dictionary.md": data_dictionary(contracts),
        "entity-relationship-diagram.md": _page("Entity relationship diagram", entity_relationship_diagram(contracts)),
        "lineage.md": _page("Lineage", flow_diagram(project)) + "\n" + column_lineage(contracts),
    }
    own = project.project.pages(project) if project.project.pages else {}
    documents = {
        project.root / "docs" / name: _header(project, source) + text.rstrip() + "\n"
        for source, pages in (("contracts/", made), ("the definitions in src/", own))
        for name, text in pages.items()
    }
    job = _job_text(project)
    if job is not None and has_marks(job):
        documents[project.root / FILE] = with_tasks(job, job_tasks(project.project.pipeline, project.contracts))
    return documents


def out_of_date(documents: Mapping[Path, str]) -> list[Path]:
    """Return the documents that are missing or differ, but for line endings, from what they should say."""
    return [
        path for path, text in documents.items() if not path.is_file() or _text(path).splitlines() != text.splitlines()
    ]


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


def _job_text(project: Opened) -> str | None:
    """Return the file of a job with a task for each table; streams have none, since one task runs them all."""
    path = project.root / FILE
    return _text(path) if isinstance(project.project.pipeline, Pipeline) and path.is_file() else None


def _text(path: Path) -> str:
    """Return the text of a file with its own line endings."""
    return path.read_bytes().decode("utf-8")


def _header(project: Opened, source: str) -> str:
    return HEADER.format(source=source, command=project.project.command)


def _node(table: str) -> str:
    return table.replace(".", "_")


def _page(title: str, diagram: str) -> str:
    return f"# {title}\n\n```mermaid\n{diagram.strip()}\n```\n"
