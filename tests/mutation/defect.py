"""A defect of a template: what is changed, which check must notice, and what it must say."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from baking import Answers

Check = Callable[[Path], list[str]]

TEMPLATE = "cookiecutter-batch-pipeline"
GENERATED = "{{cookiecutter.project_slug}}"
PROJECT = f"{TEMPLATE}/{GENERATED}"
PACKAGE = "src/{{cookiecutter.package_name}}"

#: Every choice is named, because the lists of expected files are by choice.
DEFAULTS = {"cloud": "azure", "compute": "serverless", "runtime": "18-lts", "ci": "github"}


@dataclass(frozen=True)
class Defect:
    """One change and its consequence.

    Args:
        file: The damaged file, relative to the folder of generated files, or to the family where `of_template` is set.
        old: A text that occurs in the file and is replaced once; "" adds a file or replaces all of it.
        new: What takes its place; None removes the file.
        check: The check that must notice.
        place: How one of its findings starts: the file to open; `*` stands for the number of a line.
        says: What else must be in that finding.
        answers: What is baked.
        of_template: The check looks at the family's folder, not at a baked project.
        template: Folder of the damaged template.
    """

    file: str
    old: str
    new: str | bytes | None
    check: Check
    place: str
    says: str
    answers: Answers | None = None
    of_template: bool = False
    template: str = TEMPLATE

    def apply(self, family: Path) -> None:
        """Damage a copy of the family; a text that is no longer there is an error, so that no defect gets lost."""
        path = family / (self.file if self.of_template else f"{self.template}/{GENERATED}/{self.file}")
        if self.new is None:
            path.unlink()
        elif isinstance(self.new, bytes):
            path.write_bytes(self.new)
        elif self.old:
            text = path.read_text(encoding="utf-8")
            assert self.old in text, f"{self.file} no longer holds {self.old!r}"
            path.write_text(text.replace(self.old, self.new, 1), encoding="utf-8", newline="\n")
        else:
            path.write_text(self.new, encoding="utf-8", newline="\n")

    def is_told_by(self, finding: str) -> bool:
        """Tell whether a finding names the place and the fault."""
        place = re.escape(self.place).replace(r"\*", r"\d+")
        return bool(re.match(place, finding)) and self.says in finding
