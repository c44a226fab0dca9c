"""The templates themselves, before anything is baked: copies, questions, and that every answer bakes."""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import sync
from baking import Bakery


def hook(family: Path, name: str) -> ModuleType:
    """Return a shared hook as a module; its answers are read only when it runs as a program."""
    spec = importlib.util.spec_from_file_location(name, family / "hooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses of the hook look their module up
    spec.loader.exec_module(module)
    return module


def differing_copies(family: Path) -> list[str]:
    """Return the copies of hooks, partials and shared project files that are not identical to their source."""
    return [
        f"{template.name}/{name}: differs from {name}; run: make sync"
        for template in sync.templates_of(family)
        for name in sync.differences(family, template)
    ]


def unchecked_answers(family: Path) -> list[str]:
    """Return the questions and choices of a template that the hook before generation does not check."""
    checks = hook(family, "pre_gen_project")
    found = []
    for template in sync.templates_of(family):
        declared = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
        asked = {key: value for key, value in declared.items() if not key.startswith("_")}
        place = f"{template.name}/cookiecutter.json"
        for key in asked.keys() - checks.FORMS.keys() - checks.CHOICES.keys():
            found.append(f"{place}: {key} is not checked in hooks/pre_gen_project.py")
        for key, value in asked.items():
            if isinstance(value, list) and list(checks.CHOICES.get(key, ())) != value:
                found.append(f"{place}: {key} offers {value}, hooks/pre_gen_project.py {checks.CHOICES.get(key)}")
            if key not in declared["__prompts__"]:
                found.append(f"{place}: {key} has no wording in __prompts__")
    return found


def foreign_encodings(family: Path) -> list[str]:
    """Return the sources that are not UTF-8; the generator stops at one without naming it."""
    found = []
    for template in sync.templates_of(family):
        for path in sorted(template.rglob("*")):
            if path.is_file() and path.suffix not in {".pyc", ".png", ".whl"}:
                content = path.read_bytes()
                try:
                    content.decode("utf-8")
                except UnicodeDecodeError as error:
                    number = content[: error.start].count(b"\n") + 1
                    found.append(f"{path.relative_to(family).as_posix()}:{number}: is not UTF-8")
    return found


def failed_generation(family: Path) -> list[str]:
    """Return what the generator says where a template with its defaults cannot be baked, and what it leaves."""
    found = []
    for template in sync.templates_of(family):
        with tempfile.TemporaryDirectory() as scratch:
            bakery = Bakery(Path(scratch))
            target = bakery.folder / "target"
            target.mkdir()
            done = bakery.command(str(template), "--no-input", folder=target)
            if done.returncode:
                found += [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
                found += [f"{template.name}: a failed generation leaves {path.name}" for path in target.iterdir()]
    return found
