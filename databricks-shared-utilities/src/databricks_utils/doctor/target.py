"""What a target of the bundle names: catalog, groups, warehouse, identity. Read without the Databricks CLI."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from databricks_utils.config import read_source
from databricks_utils.errors import InvalidInput

BUNDLE = "bundle.yml"
_REFERENCE = re.compile(r"\$\{([^{}]+)\}")
#: A variable that refers to itself would be filled in for ever.
_DEEPEST = 8


@dataclass(frozen=True)
class Target:
    """One target of a bundle.

    Args:
        name: Its name, which is that of its file in `config/` too.
        development: Names of its schemas get the developer's name before them.
        variables: Values by name, as written; those that the workspace looks up by a name are in `lookups`.
        lookups: The name that a variable's id is looked up by, by the name of the variable.
        run_as: Application id of the service principal that it runs as, as written; "" where it runs as the deployer.
    """

    name: str
    development: bool
    variables: Mapping[str, str]
    lookups: Mapping[str, str]
    run_as: str

    def filled(self, text: str, user: str) -> str:
        """Return a text with the references filled in that are known before a deployment.

        Args:
            text: As `bundle.yml` writes it.
            user: Name of whoever deploys.
        """
        known = {f"var.{name}": value for name, value in self.variables.items()}
        known |= {"bundle.target": self.name, "workspace.current_user.userName": user}
        for _ in range(_DEEPEST):
            text, before = _REFERENCE.sub(lambda found: known.get(found[1], found[0]), text), text
            if text == before:
                break
        return text


def read_target(folder: Path, name: str, environ: Mapping[str, str] | None = None) -> Target:
    """Read a target of a project's bundle; variables of the environment (`BUNDLE_VAR_…`) win over its own.

    Args:
        folder: The project's folder.
        name: Name of the target.
        environ: The environment's variables; those of this process by default.

    Raises:
        InvalidInput: There is no such target, or `bundle.yml` cannot be read.
    """
    environ = os.environ if environ is None else environ
    document = read_source(folder / BUNDLE).values
    targets = document.get("targets") or {}
    if name not in targets:
        hint = f"Targets: {', '.join(targets)}"
        raise InvalidInput(f"{BUNDLE} has no target {name!r}", where=str(folder / BUNDLE), hint=hint)
    own: Mapping[str, Any] = targets[name] or {}
    values: dict[str, str] = {}
    lookups: dict[str, str] = {}
    for variable, declared in (document.get("variables") or {}).items():
        for found in ((declared or {}).get("lookup") or {}).values():
            lookups[variable] = str(found)
        given = [
            environ.get(f"BUNDLE_VAR_{variable}"),
            (own.get("variables") or {}).get(variable),
            (declared or {}).get("default"),
        ]
        value = next((item for item in given if item is not None), None)
        if isinstance(value, str | int):
            values[variable] = str(value)
            lookups.pop(variable, None)
    run_as = (own.get("run_as") or document.get("run_as") or {}).get("service_principal_name", "")
    return Target(name, own.get("mode") == "development", values, lookups, run_as)
