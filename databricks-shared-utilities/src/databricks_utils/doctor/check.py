"""One finding about the machine, and a list of them as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 80


@dataclass(frozen=True)
class Check:
    """What was looked at, what was found, and what to do about it.

    Args:
        name: The thing that was looked at, in a word or two.
        ok: Whether it will do.
        found: What is there, in a few words.
        advice: What to do next; empty when there is nothing to do.
    """

    name: str
    ok: bool
    found: str
    advice: str = ""


def render_checks(checks: Sequence[Check]) -> str:
    """Return one line per check, and the advice below each that failed, 80 columns wide."""
    column = max((len(check.name) for check in checks), default=0)
    lines: list[str] = []
    for check in checks:
        lines += _wrapped(check.found, f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<{column}}  ")
        if not check.ok and check.advice:
            lines += _wrapped(check.advice, f"      {'':<{column}}  -> ")
    failed = sum(not check.ok for check in checks)
    lines.append(f"{failed} of {len(checks)} checks failed" if failed else f"All {len(checks)} checks passed")
    return "\n".join(lines)


def _wrapped(text: str, first: str) -> list[str]:
    # Paths and addresses stay in one piece, so that they can be copied.
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]
