"""What is refused before the command line has begun is told as everything else is."""

from __future__ import annotations

import subprocess
import sys

import pytest

IMPORTS = "from databricks_utils.cli import Project\nfrom databricks_utils.medallion import *\n"


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        ("Files('sales', format='parquet')", "parquet"),
        ("Pipeline('p', Silver('a', reads='bronze.b'))", "reads bronze.b"),
        ("Pipeline('p', Gold('a', reads='gold.b'), Gold('b', reads='gold.a'))", "circle"),
    ],
)
def test_a_definition_that_cannot_be_is_told_without_a_traceback(definition: str, told: str) -> None:
    ended = subprocess.run([sys.executable, "-c", IMPORTS + definition], capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: ")
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_mistake_in_a_project_s_own_code_keeps_its_traceback() -> None:
    ended = subprocess.run([sys.executable, "-c", f"{IMPORTS}1 / 0"], capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert "Traceback" in ended.stderr


def test_a_mistake_in_a_project_s_own_code_does_not_show_a_secret() -> None:
    code = "from databricks_utils.logging.redaction import conceal\nconceal('c4nary-' + '7Q')\n"
    code += "try:\n    int('c4nary-' + '7Q')\nexcept ValueError as error:\n    raise RuntimeError('not now') from error"

    ended = subprocess.run([sys.executable, "-c", IMPORTS + code], capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert "not now" in ended.stderr
    assert "***" in ended.stderr
    assert "c4nary-7Q" not in ended.stderr
