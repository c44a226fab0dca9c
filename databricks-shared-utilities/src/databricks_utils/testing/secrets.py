"""Secrets for tests, without a scope, a service or an environment variable."""

from __future__ import annotations

from collections.abc import Mapping


class FakeSecrets:
    """A secret provider that knows the given secrets and remembers what it was asked for.

    Args:
        values: Secrets by `scope/key`.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self.asked: list[str] = []

    def get(self, scope: str, key: str) -> str | None:
        """Return the secret, or None when there is none."""
        name = f"{scope}/{key}"
        self.asked.append(name)
        return self._values.get(name)
