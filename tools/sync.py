"""Copy what templates share into every template, or check that the copies are identical.

A template must stand alone: links break in zip archives and on Windows, and a hook cannot import its
neighbours. So each template holds its own committed copy, and this script keeps the copies equal to the
sources: `hooks/` and `templates/`, which keep their names, and `project-files/`, which mirrors the folder of
generated files.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = ("hooks", "templates")
PROJECT_FILES, PROJECT = "project-files", "{{cookiecutter.project_slug}}"


def files_in(folder: Path, name: str) -> list[Path]:
    """Return every file under a folder's sub-folder, compiled ones left out."""
    found = sorted((folder / name).rglob("*"))
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def sources(root: Path) -> dict[str, Path]:
    """Return the shared files of a repository by their path in a template."""
    shared = {path.relative_to(root).as_posix(): path for name in SHARED for path in files_in(root, name)}
    base = root / PROJECT_FILES
    return shared | {f"{PROJECT}/{path.relative_to(base).as_posix()}": path for path in files_in(root, PROJECT_FILES)}


def templates_of(root: Path) -> list[Path]:
    """Return the template folders of a repository, sorted by name."""
    return sorted(path for path in root.glob("cookiecutter-*") if path.is_dir())


def differences(root: Path, template: Path) -> list[str]:
    """Return the shared files that a template lacks, holds in another version, or holds in excess.

    Only hooks and partials can be in excess: among the generated files every template has some of its own.
    """
    wanted = sources(root)
    held = {path.relative_to(template).as_posix() for name in SHARED for path in files_in(template, name)}
    return sorted(name for name in wanted.keys() | held if not _same(wanted.get(name), template / name))


def synchronise(root: Path, template: Path) -> list[str]:
    """Make a template's copies equal to the sources and return the names of the files that changed."""
    wanted, changed = sources(root), differences(root, template)
    for name in changed:
        copy = template / name
        if name in wanted:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(wanted[name], copy)
        else:
            copy.unlink()
    return changed


def _same(source: Path | None, copy: Path) -> bool:
    return source is not None and copy.is_file() and source.read_bytes() == copy.read_bytes()


def main() -> int:
    """Write the copies; with --check only report, and return 1 where one differs."""
    parser = argparse.ArgumentParser(description="Keep the templates' copies identical.")
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 on a difference")
    arguments = parser.parse_args()
    changed = [
        f"{template.name}/{name}"
        for template in templates_of(ROOT)
        for name in (differences if arguments.check else synchronise)(ROOT, template)
    ]
    for name in changed:
        print(f"{'differs' if arguments.check else 'updated'}: {name}")
    if arguments.check and changed:
        print("Edit the source in hooks/, templates/ or project-files/, then run: make sync")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
