"""Finish a new project: remove what the answers exclude, add the library's wheel, remember the template.

The generator runs this file from a temporary copy with the project as its working directory, so it imports
nothing beside the standard library.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

LIBRARY = "databricks-shared-utilities"

# The answer to `ci` decides which of these stay; a folder that becomes empty goes too.
FILES_OF_CI: Mapping[str, tuple[str, ...]] = {
    "github": (".github/workflows/ci.yml", ".github/workflows/deploy.yml"),
    "azure-devops": ("azure-pipelines.yml",),
    "gitlab": (".gitlab-ci.yml",),
}


class Unavailable(Exception):
    """Something outside the project is missing; the text says what."""


@dataclass(frozen=True)
class Origin:
    """Where a template came from, as an update needs to know it."""

    url: str
    commit: str
    directory: str


def run(command: Sequence[str], folder: Path | None = None) -> str:
    """Return what a command prints; a failure carries its last line."""
    # Variables that git sets for its own hooks would point git at the wrong repository here.
    own = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
    environment = {key: value for key, value in os.environ.items() if key not in own}
    environment["GIT_TERMINAL_PROMPT"] = "0"
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", errors="replace"
        )
    except OSError as error:
        raise Unavailable(f"{command[0]} cannot be started ({error.strerror})") from error
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise Unavailable(f"{Path(command[0]).name} {command[1]}: {lines[-1] if lines else done.returncode}")
    return done.stdout.strip()


def remove_other_ci(project: Path, chosen: str) -> None:
    """Remove the files of the CI systems that were not chosen.

    Raises:
        FileNotFoundError: A listed file does not exist, so this list and the template disagree.
    """
    kept = set(FILES_OF_CI[chosen])
    for name in sorted({name for names in FILES_OF_CI.values() for name in names} - kept):
        path = project / name
        path.unlink()
        while path.parent != project and not any(path.parent.iterdir()):
            path = path.parent
            path.rmdir()


def template_folders(answers: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders that may hold this template, most likely first."""
    stated = answers.get("_repo_dir")
    if not stated:
        return
    # A relative path counts from where the command was typed, which this process can only guess.
    for base in (os.environ.get("PWD", "."), answers.get("_output_dir", "."), ".."):
        folder = Path(base, stated).resolve()
        if (folder / "cookiecutter.json").is_file():
            yield folder


def clone(url: str, commit: str, folder: Path) -> Path:
    """Return a copy of a template's repository at one commit."""
    run(["git", "clone", "--quiet", "--no-checkout", "--", url, str(folder)])
    run(["git", "checkout", "--quiet", commit], folder)
    return folder


def find_uv() -> list[str]:
    """Return the command that starts uv: on the path, a module of this Python, or where installers put it."""
    found = shutil.which("uv")
    if found:
        return [found]
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    name = "uv.exe" if os.name == "nt" else "uv"
    places = [Path(sys.executable).parent, Path.home() / ".local" / "bin", Path.home() / ".cargo" / "bin"]
    for place in places:
        if (place / name).is_file():
            return [str(place / name)]
    raise Unavailable("uv is not installed")


def build_wheel(source: Path, project: Path) -> None:
    """Build the library into the project's libs/ folder; only the wheel itself is put there."""
    if not (source / "pyproject.toml").is_file():
        raise Unavailable(f"there is no {LIBRARY} folder beside the template")
    with tempfile.TemporaryDirectory() as scratch:
        # Without --python, uv would look for a Python on the path and perhaps download one.
        options = ["--wheel", "--quiet", "--python", sys.executable, "--out-dir", scratch]
        run([*find_uv(), "build", *options, str(source)])
        (project / "libs").mkdir(exist_ok=True)
        for wheel in Path(scratch).glob("*.whl"):
            shutil.copyfile(wheel, project / "libs" / wheel.name)


def add_library(answers: Mapping[str, str], project: Path) -> str | None:
    """Put the library's wheel into libs/. Return what to do by hand where that is impossible."""
    steps = []
    folder = next(template_folders(answers), None)
    source = folder.parent / LIBRARY if folder else Path("template", LIBRARY)
    try:
        if "_commit" in answers:  # run by cruft, which does not say where its working copy is
            steps.append(f"git clone {answers['_template']} template")
            with tempfile.TemporaryDirectory() as scratch:
                copy = clone(answers["_template"], answers["_commit"], Path(scratch, "template"))
                build_wheel(copy / LIBRARY, project)
        else:
            build_wheel(source, project)
        return None
    except Unavailable as reason:
        if "_commit" not in answers and not source.is_dir():
            steps.append(f"# get the template's whole repository, so that {source} exists")
        if "uv is not" in str(reason):
            steps.append("python3 -m pip install uv")
        steps.append(f'uv build --wheel --no-create-gitignore --out-dir "{project / "libs"}" "{source}"')
        heading = f"The shared library is not in libs/ yet: {reason}.\nDo this once, then go on:"
        return "\n  ".join([heading, *steps])


def without_credentials(url: str) -> str:
    """Return an address without user name, password, query and fragment; `git@` of ssh addresses stays."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = parts.username if parts.scheme == "ssh" and parts.username else None
    return urlunsplit((parts.scheme, f"{user}@{host}" if user else host, parts.path, "", ""))


def origin_of(folder: Path) -> Origin:
    """Return address, commit and directory of a template in git, if others can fetch that commit."""
    run(["git", "ls-files", "--error-unmatch", "cookiecutter.json"], folder)
    commit = run(["git", "rev-parse", "HEAD"], folder)
    if not run(["git", "for-each-ref", "--contains", commit, "refs/remotes"], folder):
        raise Unavailable("the template's commit is not on its remote")
    url = without_credentials(run(["git", "remote", "get-url", "origin"], folder))
    directory = run(["git", "rev-parse", "--show-prefix"], folder).rstrip("/")
    return Origin(url, commit, directory)


def remember_template(answers: Mapping[str, str], project: Path) -> str | None:
    """Write .cruft.json, which updates need. Return what to do later where git knows no origin."""
    if "_commit" in answers:
        return None  # cruft writes the file itself
    folder = next(template_folders(answers), None)
    try:
        if folder is None:
            raise Unavailable("the template's folder is gone")
        origin = origin_of(folder)
    except Unavailable:
        directory = folder.name if folder else "<folder>"
        return (
            "This copy of the template has no address to fetch updates from. Once it has one:\n"
            f"  uvx cruft link <address> --directory {directory}"
        )
    # What an update leaves alone stands in pyproject.toml: cruft would add that list to one in this file every time.
    own = {key: value for key, value in answers.items() if not key.startswith("_")}
    record = {
        "template": origin.url,
        "commit": origin.commit,
        "checkout": answers.get("_checkout"),
        "context": {"cookiecutter": {**own, "_template": origin.url}},
        "directory": origin.directory or None,
    }
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    (project / ".cruft.json").write_text(text, encoding="utf-8", newline="\n")
    return None


def main() -> int:
    """Finish the project in the working directory and say what to type next."""
    answers = json.loads(r"""{{ cookiecutter | tojson }}""")
    project = Path.cwd()
    try:
        remove_other_ci(project, answers["ci"])
    except FileNotFoundError as error:
        print(f"The template lacks a file that its hook names: {error.filename}", file=sys.stderr)
        return 1
    notes = [add_library(answers, project), remember_template(answers, project)]
    slug = answers["project_slug"]
    lines = [f"\n{answers['project_name']} is ready in {slug}/", *(f"\n{note}" for note in notes if note)]
    lines += ["\nNext:", f"  cd {slug}", "  uv sync", f"  uv run {slug} run --env local"]
    stream = sys.stderr if "_commit" in answers else sys.stdout  # the output of `cruft diff` is a patch
    stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    print("\n".join(lines), file=stream, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
