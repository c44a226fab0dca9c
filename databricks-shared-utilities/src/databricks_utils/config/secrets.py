"""Secrets by reference: resolved late, where they are used, and never printed."""

from __future__ import annotations

import os
import re
from typing import Protocol

from pydantic import SecretStr

from databricks_utils.config.model import SECRET_PATTERN
from databricks_utils.errors import InvalidInput, MissingTool
from databricks_utils.logging.redaction import MASK, conceal
from databricks_utils.runtime import on_databricks


class SecretProvider(Protocol):
    """Anything that can look a secret up."""

    def get(self, scope: str, key: str) -> str | None:
        """Return the secret, or None when there is none."""


class EnvironmentSecrets:
    """Secrets from environment variables named SCOPE__KEY, for laptops and CI."""

    def get(self, scope: str, key: str) -> str | None:
        """Return the variable's value."""
        return os.environ.get(self.variable(scope, key))

    @staticmethod
    def variable(scope: str, key: str) -> str:
        """Return the name of the variable of a secret."""
        return re.sub(r"[^A-Z0-9_]", "_", f"{scope}__{key}".upper())


class HiddenSecrets:
    """A mask in place of every secret, where only the shape of a computation is looked at."""

    def get(self, scope: str, key: str) -> str:
        """Return the mask."""
        return MASK


class DatabricksSecrets:
    """Secrets from Databricks secret scopes, through the SDK."""

    def get(self, scope: str, key: str) -> str | None:
        """Return the secret.

        Raises:
            MissingTool: The package databricks-sdk is not installed.
        """
        try:
            from databricks.sdk import WorkspaceClient  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            raise MissingTool("The package databricks-sdk is not installed", hint="uv add databricks-sdk") from None
        return str(WorkspaceClient().dbutils.secrets.get(scope, key))


def secrets_of_place() -> SecretProvider:
    """Return where secrets are looked up here: secret scopes on Databricks, variables elsewhere."""
    return DatabricksSecrets() if on_databricks() else EnvironmentSecrets()


def resolve_secret(reference: str, provider: SecretProvider) -> SecretStr:
    """Look up `secret://scope/key`.

    Raises:
        InvalidInput: The text is no reference (it is not repeated, since it may be the secret), or there is no such
            secret.
    """
    if not re.fullmatch(SECRET_PATTERN, reference):
        raise InvalidInput("This is no reference to a secret", hint="Write secret://scope/key")
    scope, _, key = reference.removeprefix("secret://").partition("/")
    value = provider.get(scope, key)
    if value is None:
        variable = EnvironmentSecrets.variable(scope, key)
        hint = f"Set the environment variable {variable}" if isinstance(provider, EnvironmentSecrets) else None
        raise InvalidInput(f"There is no secret {key!r} in the scope {scope!r}", hint=hint)
    # From now on no log line, message, record or page of this process shows it.
    conceal(value)
    return SecretStr(value)
