"""Keeping secrets and personal data out of logs, messages and reports."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

MASK = "***"

#: What must never be printed, as (pattern, replacement). Order matters: the more specific first.
PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(dapi|ghp_|github_pat_|AKIA|ASIA)[A-Za-z0-9_]{8,}"), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"), MASK),
    (re.compile(r"(?i)\b(bearer)\s+[A-Za-z0-9._~+/=-]+"), rf"\1 {MASK}"),
    (re.compile(r"(?i)(authorization\W+basic)\s+[A-Za-z0-9+/=_-]+"), rf"\1 {MASK}"),
    # Addresses that are signed, as those of Azure and AWS: who has the signature has the file.
    (re.compile(r"(?i)([?&](?:sig|x-amz-signature|x-amz-credential)=)[^&\s\"']+"), rf"\1{MASK}"),
    (
        re.compile(
            r"(?i)\b([\w.-]*(?:password|passwd|secret|token|api[_-]?key|accountkey|sharedaccesskey|credential)[\w.-]*)"
            r"(\"?\s*(?:=|:(?!//))\s*)(?!secret://)(\"(?:\\.|[^\"\\])*\"|'[^']*'|[^\s,;&}]+)"
        ),
        rf"\1\2{MASK}",
    ),
    (re.compile(r"(?i)(://[^/\s:@]+):[^/\s]+@"), rf"\1:{MASK}@"),
    (re.compile(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}\b"), MASK),
)


#: Shorter values stand in any text by chance.
LEAST_SECRET = 6
_concealed: frozenset[str] = frozenset()
_pattern: re.Pattern[str] | None = None


def conceal(secret: str) -> None:
    """Never show a value again, in whatever way it is written: see `written_forms`.

    Values of fewer than six characters are left alone: they stand in any text by chance.
    """
    global _concealed, _pattern  # what one part of the process has looked up no other may print
    forms = frozenset(written_forms(secret))
    if forms <= _concealed:
        return
    _concealed |= forms
    # The longest first, so that no part of a form is left beside the mask of another.
    longest_first = sorted(_concealed, key=len, reverse=True)
    _pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)


def concealed(text: str) -> str:
    """Return the text with the values masked that `conceal` was given; everything else stays."""
    return text if _pattern is None else _pattern.sub(MASK, text)


def written_forms(secret: str) -> set[str]:
    """Return how a secret may be written, in small letters or capitals, where somebody reads it.

    As it is, quoted, escaped, in an address, and as its bytes: Spark computes what it can in advance, so that a key
    that is encoded stands in a plan in hexadecimal digits. Of a secret of several lines each stands for itself, since
    it is indented, stripped or cut into lines where it is shown. None of fewer than six characters.
    """
    # In a variable of the environment, or in JSON, a line often ends with the letters that stand for its end.
    lines = [line.strip() for line in re.split(r"[\r\n]+|\\r|\\n", secret)]
    found = {form for text in (secret, secret.strip(), *lines) for form in (*_as_text(text), *_as_bytes(text.encode()))}
    return {form for form in found if len(form) >= LEAST_SECRET}


def _as_text(text: str) -> Iterator[str]:
    if len(text) < LEAST_SECRET:
        return
    in_json = json.dumps(text)[1:-1]
    yield from (text, html.escape(text), html.escape(text, quote=False))
    yield from (in_json, json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(in_json)[1:-1])
    yield from (repr(text)[1:-1], repr(text.encode())[2:-1])
    yield from (text.replace("\\", "\\\\").replace("'", "\\'"), text.replace("'", "''"))
    yield from (quote(text, safe=""), quote(text), quote_plus(text), " ".join(text.splitlines()))


def _as_bytes(data: bytes) -> Iterator[str]:
    if len(data) < LEAST_SECRET:
        return
    yield data.hex()
    # Three bytes are four digits of base64, so that what stands before the secret, as a user's name does, moves its
    # digits; those that it shares with what stands before or after it are left out.
    for before in range(3):
        digits = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        own = digits[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]
        yield from (own, own.replace("+", "-").replace("/", "_"))


def redacted(text: str) -> str:
    """Return the text with secrets, credentials and e-mail addresses masked; secret://scope/key stays readable."""
    text = concealed(text)
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return text
