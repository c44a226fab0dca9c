"""What may stand in the text files of a project, whatever they are for."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import yaml
from baking import text_files
from bundles.bundle_reader import UniqueKeyLoader

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Braces that belong to the platforms: GitHub expressions, Databricks references to jobs, tasks, secrets.
ALLOWED_SYNTAX = re.compile(r"\$\{\{|\{\{ ?(?:job|tasks?|secrets|backfill)[./]")
TEMPLATE_SYNTAX = re.compile(r"\{\{|\{%|\{#|cookiecutter\.")
#: A home folder, a drive, or the address of one company's package index.
TRACE = re.compile(r"(?<![\w}])(?:/home/|/Users/|/root/|[A-Z]:\\)|\b(?:extra-)?index-url\b|\bindex\.url\b")
#: Two blanks at the end of a line are a line break there.
TRAILING_BLANKS_MEAN_SOMETHING = {".md"}


def lines_of(project: Path, *suffixes: str) -> Iterator[tuple[str, str]]:
    """Yield every line of every text file, or of those with some suffixes, after its place, `path:line`."""
    for path in text_files(project):
        if suffixes and path.suffix not in suffixes:
            continue
        text = path.read_bytes().decode("utf-8")
        for number, line in enumerate(text.split("\n"), start=1):
            yield f"{path.relative_to(project).as_posix()}:{number}", line


def template_syntax(project: Path) -> list[str]:
    """Return the lines in which the generator has left something of the template."""
    return [
        f"{place}: template syntax is left: {line.strip()}"
        for place, line in lines_of(project)
        if TEMPLATE_SYNTAX.search(ALLOWED_SYNTAX.sub("", line))
    ]


def traces(project: Path) -> list[str]:
    """Return the lines that tell where the template was written."""
    return [
        f"{place}: belongs to one machine: {line.strip()}" for place, line in lines_of(project) if TRACE.search(line)
    ]


def untidy(project: Path) -> list[str]:
    """Return the texts without Unix line ends and one final newline, and the lines that end with blanks."""
    found = []
    for place, line in lines_of(project):
        blanks_matter = Path(place.rpartition(":")[0]).suffix not in TRAILING_BLANKS_MEAN_SOMETHING
        if line.endswith("\r"):
            found.append(f"{place}: ends as on Windows")
        elif blanks_matter and line != line.rstrip():
            found.append(f"{place}: ends with blanks")
    for path in text_files(project):
        name, content = path.relative_to(project).as_posix(), path.read_bytes()
        number = content.count(b"\n") + 1
        if content and not content.endswith(b"\n"):
            found.append(f"{name}:{number}: no newline at the end")
        elif content.endswith(b"\n\n"):
            found.append(f"{name}:{number - 1}: empty lines at the end")
    return found


def unreadable(project: Path) -> list[str]:
    """Return the files of a structured format that cannot be read as one."""
    found = []
    for path in text_files(project):
        # The settings of VS Code may hold comments, which JSON does not know.
        if path.suffix in READERS and not {".vscode", ".devcontainer"} & set(path.parts):
            fault = fault_of(path.suffix, path.read_text(encoding="utf-8"))
            if fault:
                found.append(f"{path.relative_to(project).as_posix()}{fault}")
    return found


@cache
def fault_of(suffix: str, text: str) -> str:
    """Return `:line: what is wrong` for a text, or nothing. Projects share most texts, so each is read once."""
    try:
        READERS[suffix](text)
    except SyntaxError as error:
        return f":{error.lineno}: {error.msg}"
    except json.JSONDecodeError as error:
        return f":{error.lineno}: {error.msg}"
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        return f":{line[1] if line else 1}: {error}"
    except yaml.MarkedYAMLError as error:
        return f":{error.problem_mark.line + 1 if error.problem_mark else 1}: {error.problem}"
    return ""


def _read_yaml(text: str) -> None:
    # A subclass of SafeLoader, so nothing but plain data is built.
    for _ in yaml.load_all(text, Loader=UniqueKeyLoader):
        pass


READERS: dict[str, Callable[[str], object]] = {
    ".py": ast.parse,
    ".toml": tomllib.loads,
    ".json": json.loads,
    ".yml": _read_yaml,
    ".yaml": _read_yaml,
}
