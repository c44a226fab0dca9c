"""Bakes templates the way a user does, away from the user's own settings."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "cookiecutter-batch-pipeline"
STREAMING = ROOT / "cookiecutter-streaming-pipeline"
ML = ROOT / "cookiecutter-ml-features"
LIBRARY = ROOT / "databricks-shared-utilities"

Answers = Mapping[str, str]


def questions() -> dict[str, str | list[str]]:
    """Return the template's public questions with their defaults or choices."""
    declared = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    return {key: value for key, value in declared.items() if not key.startswith("_")}


def choices() -> dict[str, list[str]]:
    """Return the questions that offer a choice."""
    return {key: value for key, value in questions().items() if isinstance(value, list)}


def combinations() -> Iterator[dict[str, str]]:
    """Yield every combination of the choices."""
    offered = choices()
    for values in itertools.product(*offered.values()):
        yield dict(zip(offered, values, strict=True))


def covering() -> Iterator[dict[str, str]]:
    """Yield as few combinations as give every choice once: for a template that shares its questions with another."""
    offered = choices()
    for number in range(max(len(values) for values in offered.values())):
        yield {key: values[number % len(values)] for key, values in offered.items()}


def label(answers: Answers) -> str:
    """Return answers as a test id."""
    return "-".join(answers.values()) or "defaults"


@dataclass(frozen=True)
class Bakery:
    """A place to bake in, with a generator configuration of its own.

    Args:
        folder: Scratch folder.
    """

    folder: Path

    @property
    def configuration(self) -> Path:
        """The generator's configuration: its downloads and its memory stay in the scratch folder."""
        path = self.folder / "cookiecutter.yaml"
        if not path.exists():
            text = f"cookiecutters_dir: {self.folder / 'downloads'}\nreplay_dir: {self.folder / 'replay'}\n"
            path.write_text(text, encoding="utf-8")
        return path

    def bake(self, answers: Answers, name: str, template: Path = TEMPLATE) -> Path:
        """Return a project baked from the working copy's template or another, in a folder of the given name."""
        target = self.folder / "baked" / name
        target.mkdir(parents=True)
        project = cookiecutter(
            str(template),
            no_input=True,
            extra_context=dict(answers),
            output_dir=str(target),
            config_file=str(self.configuration),
        )
        return Path(project)

    def baked_once(self, answers: Answers) -> Path:
        """Return the working copy's project of some answers, baked by the first test process that asks for it.

        The folder is shared with every process that has the same bakery, so a test must not change the project.
        """
        known = json.dumps(answers, sort_keys=True)
        name = f"shared-{hashlib.sha256(known.encode()).hexdigest()[:16]}"
        return made_once(self.folder, name, lambda: self.bake(answers, name))

    def command(
        self, *arguments: str, folder: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the generator's command line in a folder and return what it said."""
        return subprocess.run(
            [sys.executable, "-m", "cookiecutter", "--config-file", str(self.configuration), *arguments],
            cwd=folder,
            env={**os.environ, "PWD": str(folder), **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )

    def answered(self, answers: Answers, name: str) -> Path:
        """Return a file of answers that the generator takes as they are, as if somebody had typed them.

        On the command line an answer is rendered before anybody can check it; at a prompt it is not.
        """
        context = json.loads(self._recorded_defaults)
        context["cookiecutter"].update(answers)
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(context), encoding="utf-8")
        return path

    @cached_property
    def _recorded_defaults(self) -> str:
        # A bakery of its own: the generator's record is overwritten by whatever is baked next.
        alone = Bakery(Path(tempfile.mkdtemp(dir=self.folder)))
        alone.bake({}, "defaults")
        return (alone.folder / "replay" / f"{TEMPLATE.name}.json").read_text(encoding="utf-8")


def made_once(folder: Path, name: str, make: Callable[[], Path]) -> Path:
    """Return what the first test process has made that asked for it; the others wait.

    Args:
        folder: A folder that all test processes share.
        name: What is made, as part of a file's name.
        make: Makes it and returns where it is.
    """
    done = folder / f"{name}.done"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            done.write_text(str(make()), encoding="utf-8")
        return Path(done.read_text(encoding="utf-8"))


def files_of(project: Path) -> list[str]:
    """Return the files of a project as sorted POSIX paths.

    `.cruft.json` is left out: it depends on where the template lies, which has tests of its own.
    """
    return sorted(
        path.relative_to(project).as_posix()
        for path in project.rglob("*")
        if path.is_file() and path.name != ".cruft.json"
    )


def text_files(project: Path) -> Iterator[Path]:
    """Yield the files of a project that people or tools read as text; data may look as it likes."""
    for name in files_of(project):
        path = project / name
        if path.suffix not in {".whl", ".csv", ".jsonl"}:
            yield path
