"""The file in which a project keeps what its streams remember, to be compared with what they would remember now."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from databricks_utils.cli.project import Opened
from databricks_utils.config.secrets import HiddenSecrets
from databricks_utils.errors import InvalidInput
from databricks_utils.pipeline import Lakehouse
from databricks_utils.session import LocalSpark, create_session
from databricks_utils.streaming import StreamState, stream_states

STATES = "stream-state.yaml"
HEADER = """# What each stream keeps in its checkpoint, written by `{command} state`; do not edit.
# Where lines change, the version must change with them, since a new stream cannot go on with what an old one
# has kept: docs/runbooks/checkpoint-reset.md.

"""


def current_states(project: Opened) -> dict[str, StreamState]:
    """Return what the streams of the definition would remember, by table; a small local Spark plans them."""
    with tempfile.TemporaryDirectory() as warehouse:
        # Not the configured one: a client of Spark Connect cannot look into plans, and no table is needed.
        spark = create_session(LocalSpark(memory="1g"), project.project.command, Path(warehouse), short_lived=True)
        lakehouse = Lakehouse(spark, project.configuration, project.contracts, HiddenSecrets())
        return {state.table: state for state in stream_states(lakehouse, project.project.pipeline)}


def recorded_states(project: Opened) -> dict[str, StreamState]:
    """Return what is written down, by table; nothing where there is no file.

    Raises:
        InvalidInput: The file is not as the command writes it.
    """
    path = _path(project)
    if not path.is_file():
        return {}
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return {
            str(table): StreamState(str(table), int(entry["version"]), tuple(map(str, entry["remembers"])))
            for table, entry in entries.items()
        }
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        hint = f"Take it back from git, or delete it and run: {project.project.command} state"
        raise InvalidInput(f"{path.name} cannot be read", where=str(path), hint=hint) from error


def write_states(project: Opened, states: Mapping[str, StreamState]) -> None:
    """Write down what the streams remember."""
    entries: dict[str, Any] = {
        table: {"version": state.version, "remembers": list(state.remembers)} for table, state in states.items()
    }
    text = yaml.safe_dump(entries, sort_keys=False, width=110, allow_unicode=True)
    _path(project).write_text(HEADER.format(command=project.project.command) + text, encoding="utf-8")


def breaks_its_checkpoint(recorded: StreamState | None, found: StreamState) -> bool:
    """Say whether a stream would remember other things than its checkpoint holds."""
    return recorded is not None and recorded.version == found.version and recorded.remembers != found.remembers


def differences(recorded: StreamState | None, found: StreamState | None) -> Iterator[str]:
    """Yield what has changed of one stream, line by line as a diff shows it."""
    if recorded == found:
        return
    either = found or recorded
    assert either is not None  # who asks has one of them
    yield f"{either.table} {_version(recorded)} → {_version(found)}"
    before, now = (state.remembers if state else () for state in (recorded, found))
    yield from (f"  {line}" for line in difflib.ndiff(before, now) if line.startswith(("- ", "+ ")))


def _version(state: StreamState | None) -> str:
    return f"version {state.version}" if state else "nothing"


def _path(project: Opened) -> Path:
    return project.root / "contracts" / STATES
