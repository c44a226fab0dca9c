"""Keeping secrets and personal data out of logs, messages and reports."""

from __future__ import annotations

import html
import json
import re
from urllib.parse import quote

MASK = "***"

#: What must never be printed, as (pattern, replacement). Order matters: the more specific first.
PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(dapi|ghp_|github_pat_|AKIA)[A-Za-z0-9_]{8,}"), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"), MASK),
    (re.compile(r"(?i)\b(bearer)\s+[A-Za-z0-9._~+/=-]+"), rf"\1 {MASK}"),
    (
        re.compile(
            r"(?i)\b([\w.-]*(?:password|passwd|secret|token|api[_-]?key|accountkey|sharedaccesskey|credential)[\w.-]*)"
            r"(\"?\s*(?:=|:(?!//))\s*)(?!secret://)(\"[^\"]*\"|'[^']*'|[^\s,;&}]+)"
        ),
        rf"\1\2{MASK}",
    ),
    (re.compile(r"(?i)(://[^/\s:@]+):[^@/\s]+@"), rf"\1:{MASK}@"),
    (re.compile(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}\b"), MASK),
)


#: Shorter values stand in any text by chance.
LEAST_SECRET = 6
_concealed: tuple[str, ...] = ()


def conceal(secret: str) -> None:
    """Never show a value again, in whatever way it is written: as it is, quoted, escaped.

    Values of fewer than six characters are left alone: they stand in any text by chance.
    """
    global _concealed  # what one part of the process has looked up no other may print
    if len(secret) < LEAST_SECRET:
        return
    forms = {
        secret,
        html.escape(secret),
        html.escape(secret, quote=False),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        secret.replace("\\", "\\\\").replace("'", "\\'"),
        secret.replace("'", "''"),
        quote(secret, safe=""),
        " ".join(secret.splitlines()),
    }
    # The longest first, so that no part of a form is left beside the mask of another.
    _concealed = tuple(sorted({*_concealed, *forms}, key=len, reverse=True))


def concealed(text: str) -> str:
    """Return the text with the values masked that `conceal` was given; everything else stays."""
    for form in _concealed:
        text = text.replace(form, MASK)
    return text


def redacted(text: str) -> str:
    """Return the text with secrets, credentials and e-mail addresses masked; secret://scope/key stays readable."""
    text = concealed(text)
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return text
