"""Refuse answers that could not become a working project.

The generator runs this file from a temporary copy, so it imports nothing beside the standard library. Answers
are read as data, never pasted into code: a quote or a backslash in one of them cannot end a string here.
"""

from __future__ import annotations

import builtins
import json
import keyword
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

CHOICES = {
    "cloud": ("azure", "aws", "gcp"),
    "compute": ("serverless", "classic"),
    "runtime": ("18-lts", "17.3-lts", "16.4-lts"),
    "ci": ("github", "azure-devops", "gitlab"),
}

# Importable or installable names that the generated project already uses: its own package must not hide them.
TAKEN = frozenset(
    """
    config contracts data databricks databricks_connect databricks_sdk databricks_shared_utilities
    databricks_utils delta delta_spark docs holidays jsonschema libs main mypy notebooks numpy
    open_data_contract_standard opentelemetry orchestration package pandas pip pipelines project py4j pyarrow
    pydantic pyspark pytest python python3 resources rich ruff spark sql src test tests transformations uv
    wheel yaml
    """.split()  # noqa: SIM905  # fifty quoted words would hide the words
)
PORTS = frozenset(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))
DEVICES = PORTS | {"con", "prn", "aux", "nul"}
SPELLING = {"'": "\u2019", "`": "\u2019", '"': "", "&": "and", ";": ",", "\\": "/"}


@dataclass(frozen=True)
class Form:
    """What one free answer may look like."""

    longest: int
    pattern: str
    allowed: str
    repair: Callable[[str], str]
    is_name: bool = False


def ascii_words(text: str, separator: str) -> str:
    """Return the ASCII letters and digits of a text in lower case, other runs replaced by a separator."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower())
    return separator.join(words).lstrip("0123456789" + separator)


def plain_text(text: str, kept: str) -> str:
    """Return a text with unwanted marks replaced or dropped, single spaces, a letter or digit first."""
    text = unicodedata.normalize("NFC", text)
    blanks = "".join(" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in text)
    text = "".join(SPELLING.get(mark, mark) for mark in blanks)
    text = "".join(mark for mark in text if mark.isalnum() or mark in kept)
    text = " ".join(text.split())
    start = next((position for position, mark in enumerate(text) if mark.isalnum()), len(text))
    return text[start:]


def group_name(text: str) -> str:
    """Return a text as the name of a group: letters first, blanks as hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).lstrip("0123456789._-").rstrip("._-")


FORMS = {
    "project_name": Form(
        50,
        r"[^\W_](?:[^\W_]|[ ._,+-])*",
        "letters, digits, spaces and . , _ + -, starting with a letter or digit",
        lambda text: plain_text(text, " .,_+-"),
    ),
    "project_slug": Form(
        30,
        r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*",
        "lower-case letters a-z and digits in words joined by single hyphens, starting with a letter",
        lambda text: ascii_words(text, "-"),
        is_name=True,
    ),
    "package_name": Form(
        30,
        r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*",
        "lower-case letters a-z and digits in words joined by single underscores, starting with a letter",
        lambda text: ascii_words(text, "_"),
        is_name=True,
    ),
    "description": Form(
        120,
        r"[^\W_](?:[^\W_]|[ ._,:()/%@+\u2019-])*",
        "one line of letters, digits, spaces and . , : _ ( ) / % @ + -, starting with a letter or digit",
        lambda text: plain_text(text, " ._,:()/%@+\u2019-"),
    ),
    "owner_group": Form(
        60,
        r"[A-Za-z](?:[A-Za-z0-9._-]*[A-Za-z0-9])?",
        "the name of a group: letters, digits and . _ -, starting with a letter, no blanks",
        group_name,
    ),
}
EXAMPLES = {
    "project_name": "Retail Lakehouse",
    "project_slug": "retail-lakehouse",
    "package_name": "retail_lakehouse",
    "description": "Retail sales from files to reports",
    "owner_group": "data-engineers",
}


def clash(text: str) -> str | None:
    """Say what a project or package name would hide, or None."""
    name = text.lower().replace("-", "_")
    if name in DEVICES:
        return "is a device name that Windows reserves"
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "is a keyword of Python"
    if name in sys.stdlib_module_names:
        return "is a module of Python's standard library"
    if name in dir(builtins):
        return "is a built-in name of Python"
    if name in TAKEN:
        return "is a name that the project already uses for something else"
    return None


def fault(key: str, answer: str) -> str | None:
    """Say what is wrong with one free answer, or None."""
    form = FORMS[key]
    if not answer.strip():
        return "is empty"
    if any(unicodedata.category(mark)[0] == "C" for mark in answer):
        return f"holds a control character; allowed: {form.allowed}"
    if not re.fullmatch(form.pattern, answer) or answer != answer.strip():
        return f"is not allowed as written; allowed: {form.allowed}"
    if len(answer) > form.longest:
        return f"has {len(answer)} characters; the limit is {form.longest}"
    return clash(answer) if form.is_name else None


def suggestion(key: str, answer: str) -> str:
    """Return a text near an answer that passes every check."""
    form = FORMS[key]
    text = form.repair(answer)[: form.longest].rstrip(" ._-+,:(/@%")
    if form.is_name and clash(text):
        text = f"{text}{'_' if key == 'package_name' else '-'}pipeline"
    return text if fault(key, text) is None else EXAMPLES[key]


def problems(answers: Mapping[str, object]) -> list[str]:
    """Return one paragraph for each answer that needs a change."""
    found = []
    for key in FORMS:
        answer = str(answers.get(key, ""))
        reason = fault(key, answer)
        if reason:
            found.append(f"  {key}: {shown(answer)} {reason}\n    try: {suggestion(key, answer)}")
    for key, choices in CHOICES.items():
        answer = str(answers.get(key, ""))
        if answer not in choices:
            found.append(f"  {key}: {shown(answer)} is not offered\n    try one of: {', '.join(choices)}")
    return found


def shown(answer: str) -> str:
    """Return an answer as one short quoted line, control characters escaped."""
    quoted = json.dumps(answer, ensure_ascii=False)
    escaped = "".join(
        mark.encode("unicode_escape").decode() if unicodedata.category(mark)[0] == "C" else mark for mark in quoted
    )
    return escaped if len(escaped) <= 70 else f'{escaped[:60]}..."'


def remove_parents(slug: str) -> None:
    """Remove the empty folders that a slug with slashes has made; the generator removes only the last."""
    folders = [part for part in Path(slug).parts if part.strip("./\\")]
    if len(folders) < 2:
        return
    folder = Path.cwd()
    os.chdir(folder.anchor)
    for _ in folders:
        try:
            folder.rmdir()
        except OSError:  # not empty: it was there before
            return
        folder = folder.parent


def main() -> int:
    """Check every answer; print all problems in one block."""
    answers = json.loads(r"""{{ cookiecutter | tojson }}""")
    found = problems(answers)
    if not found:
        return 0
    count = "1 answer needs" if len(found) == 1 else f"{len(found)} answers need"
    sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    print(f"\nNo project was created: {count} a change.\n", file=sys.stderr)
    print("\n".join(found), file=sys.stderr)
    print("\nRepeat the command with these answers. Nothing was left behind.\n", file=sys.stderr)
    remove_parents(str(answers.get("project_slug", "")))
    return 1


if __name__ == "__main__":
    sys.exit(main())
