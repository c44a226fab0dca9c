"""The errors a user meets: each says what happened, where, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence


class LakehouseError(Exception):
    """Base class of every error this library raises on purpose.

    Args:
        message: What happened, as one sentence without a full stop at the end.
        where: The file and key, table or step concerned.
        hint: What the reader can do next.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.message]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.hint:
            lines.append(f"  hint:  {self.hint}")
        return "\n".join(lines)


class InvalidInput(LakehouseError):
    """A configuration, contract, answer or argument is wrong; nothing has been started."""

    exit_code = 2


class InputProblems(InvalidInput):
    """Several input problems found in one reading, so that all can be mended at once."""

    def __init__(self, problems: Sequence[LakehouseError]) -> None:
        self.problems = tuple(problems)
        noun = "problem" if len(self.problems) == 1 else "problems"
        super().__init__(f"{len(self.problems)} {noun} in the input")

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"- {problem}" for problem in self.problems)])


class RunFailed(LakehouseError):
    """A table of a run could not be computed or written."""


class TableBusy(LakehouseError):
    """Another run holds a table that this one would write or read; nothing has been started."""


class MissingTool(LakehouseError):
    """Something the machine must provide is missing or too old (Java, uv, a jar)."""
