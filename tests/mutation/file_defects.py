"""Defects of texts, documents and Python files."""

from __future__ import annotations

from functools import partial

from checks import files, links, style, texts
from conftest import LONGEST
from mutation.defect import DEFAULTS, PACKAGE, Defect

EXPECTED_FILES = partial(files.unexpected, answers=DEFAULTS)
#: Short enough under every package name but the longest.
LONG_LINE = 'MODULE = ("{{ cookiecutter.package_name }}", "' + 80 * "x" + '")\n'

TEXTS = {
    "leftover brace": Defect(
        "docs/tuning.md",
        "",
        "# Tuning\n\n{% raw %}{{ cookiecutter.project_slug }}{% endraw %}\n",
        texts.template_syntax,
        "docs/tuning.md:3:",
        "template syntax is left",
    ),
    "trailing blank": Defect(
        "Makefile", "ENV ?= local\n", "ENV ?= local  \n", texts.untidy, "Makefile:*:", "ends with blanks"
    ),
    "no final newline": Defect("CODEOWNERS", "", "* @team", texts.untidy, "CODEOWNERS:1:", "no newline at the end"),
    "path of a machine": Defect(
        "config/local.yaml",
        "landing: data/landing",
        "landing: /home/somebody/landing",
        texts.traces,
        "config/local.yaml:*:",
        "belongs to one machine",
    ),
    "broken TOML": Defect(
        "pyproject.toml", "[project.scripts]", "[project.scripts", texts.unreadable, "pyproject.toml:*:", "Expected"
    ),
    "broken Python": Defect(
        f"{PACKAGE}/__main__.py",
        "def main() -> None:",
        "def main() -> None",
        texts.unreadable,
        "src/retail_lakehouse/__main__.py:*:",
        "expected ':'",
    ),
    "key written twice": Defect(
        "config/base.yaml",
        "telemetry:\n",
        "logging: {}\ntelemetry:\n",
        texts.unreadable,
        "config/base.yaml:*:",
        "'logging' is written twice",
    ),
}

FILES = {
    "missing file": Defect(
        "docs/lineage.md", "", None, EXPECTED_FILES, "docs/lineage.md:", "is expected and was not baked"
    ),
    "forgotten file": Defect("notes.txt", "", "to do\n", EXPECTED_FILES, "notes.txt:", "was baked and is not expected"),
    "name that Windows refuses": Defect(
        "docs/aux.md", "", "# More\n", files.illegal_paths, "docs/aux.md:", "is no legal path on Windows"
    ),
    "dead link": Defect(
        "README.md", "(docs/tuning.md)", "(docs/speed.md)", links.dead, "README.md:*:", "docs/speed.md does not exist"
    ),
    "command that does not exist": Defect(
        "README.md",
        "make run      # run",
        "make start    # run",
        links.unknown_commands,
        "README.md:*:",
        "make start is no target",
    ),
}

PYTHON = {
    "unformatted file": Defect(
        f"{PACKAGE}/__init__.py",
        "",
        '"""The package."""\n\nNAMES = [ "a",\'b\' ]\n',
        style.unformatted,
        "src/retail_lakehouse/__init__.py:*:",
        "",
    ),
    "line that only the longest names make too long": Defect(
        f"{PACKAGE}/transformations/bronze/__init__.py",
        "",
        f'"""Bronze."""\n\n{LONG_LINE}',
        style.unformatted,
        "src/warehouse_and_storefront_sales/transformations/bronze/__init__.py:*:",
        "",
        {**DEFAULTS, **LONGEST},
    ),
    "unused import": Defect(
        f"{PACKAGE}/orchestration/lakeflow.py",
        "from databricks_utils.cli import declare_project\n",
        "import json\n\nfrom databricks_utils.cli import declare_project\n",
        style.unclean,
        "src/retail_lakehouse/orchestration/lakeflow.py:*:",
        "F401",
    ),
    "wrong type": Defect(
        f"{PACKAGE}/__main__.py",
        "        sys.exit(code)",
        "        sys.exit(code + '')",
        style.untyped,
        "src/retail_lakehouse/__main__.py:*:",
        "Unsupported operand",
    ),
    "indentation of YAML": Defect(
        "config/base.yaml",
        "  traces: none",
        "   traces: none",
        style.unclean_yaml,
        "config/base.yaml:*:",
        "wrong indentation",
    ),
}

DEFECTS = {**TEXTS, **FILES, **PYTHON}
