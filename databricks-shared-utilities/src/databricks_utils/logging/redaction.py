"""Keeping secrets and personal data out of logs, messages and reports."""

from __future__ import annotations

import re

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


def redacted(text: str) -> str:
    """Return the text with credentials and e-mail addresses masked. References secret://scope/key stay readable."""
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return text
