"""Copy the shared hooks and partials into every template, or check that the copies are identical.

A template must stand alone: links break in zip archives and on Windows, and a hook cannot import its
neighbours. So each template holds its own committed copy, and this script keeps the copies equal to the
sources in `hooks/` and `templates/`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = ("hooks", "templates")


def shared_files(folder: Path) -> dict[str, bytes]:
    """Return the content of every file under the shared folders of `folder`, by relative POSIX path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for name in SHARED
        for path in sorted((folder / name).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def templates_of(root: Path) -> list[Path]:
    """Return the template folders of a repository, sorted by name."""
    return sorted(path for path in root.glob("cookiecutter-*") if path.is_dir())


def differences(root: Path, template: Path) -> list[str]:
    """Return the shared files that a template lacks, holds in another version, or holds in excess."""
    source, copy = shared_files(root), shared_files(template)
    return sorted(name for name in source.keys() | copy.keys() if source.get(name) != copy.get(name))


def synchronise(root: Path, template: Path) -> list[str]:
    """Make a template's copies equal to the sources and return the names of the files that changed."""
    changed = differences(root, template)
    for name in changed:
        source, copy = root / name, template / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
        else:
            copy.unlink()
    return changed


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
        print("Edit the source in hooks/ or templates/, then run: make sync")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
