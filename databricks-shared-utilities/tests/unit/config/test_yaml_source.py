"""One YAML file: its values, the line of each key, and keys that are there twice."""

from __future__ import annotations

from pathlib import Path

from databricks_utils.config.yaml_source import Source, read_source

SHARED = """\
small: &small
  cores: 1
  memory: 1g
large:
  <<: *small
  memory: 8g
"""


def read(folder: Path, text: str) -> Source:
    path = folder / "some.yaml"
    path.write_text(text, encoding="utf-8")
    return read_source(path)


def test_what_is_taken_over_from_another_section_may_be_replaced(tmp_path: Path) -> None:
    source = read(tmp_path, SHARED)

    assert source.values["large"] == {"cores": 1, "memory": "8g"}
    assert source.line_of(("large", "memory")) == 6
    assert source.problems == ()


def test_a_key_that_is_there_twice_is_named_with_both_lines(tmp_path: Path) -> None:
    (problem,) = read(tmp_path, "a: {b: 1}\nc:\n  d: 1\n  d: 2\n").problems

    assert (problem.where, "line 3" in str(problem.hint)) == (f"{tmp_path / 'some.yaml'}:4", True)


def test_a_broken_file_is_explained_as_python_reads_it(tmp_path: Path) -> None:
    (problem,) = read(tmp_path, "a:\n\tb: 1\n").problems

    assert "cannot start any token" in problem.message
    assert problem.where == f"{tmp_path / 'some.yaml'}:2"
