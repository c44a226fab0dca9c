"""A broker on this machine for the streams of a project: `broker up` and `broker down`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from databricks_utils.cli.project import Opened, Project
from databricks_utils.streaming import StreamBronze
from databricks_utils.testing.kept_broker import FOLDER, end_broker, keep_broker


def broker_up(project: Opened, port: int, topics: Sequence[str]) -> int:
    """Start a broker with the topics of the pipeline, and say how the streams reach it."""
    wanted = [node.topic for node in project.project.pipeline if isinstance(node, StreamBronze)]
    alerts = project.configuration.streaming.alerts.topic
    names = list(dict.fromkeys([*wanted, *([alerts] if alerts else []), *topics]))
    broker, is_new = keep_broker(project.root / FOLDER, names, port)
    click.echo(
        f"A broker {'is up' if is_new else 'was up already'}: {broker.bootstrap_servers}, process {broker.process}"
    )
    click.echo(f"Topics: {', '.join(names)}")
    click.echo("For run, produce, verify and alert:")
    click.echo(f"  --set streaming.source=kafka --set streaming.broker.bootstrap_servers={broker.bootstrap_servers}")
    click.echo(f"It stays until `{project.project.command} broker down`; its events stay in {FOLDER}/.")
    return 0


def broker_down(project: Project) -> int:
    """End the project's broker."""
    click.echo("The broker is down." if end_broker(project.root() / FOLDER) else "No broker was up.")
    return 0
