"""A version that is out holds one content: the record says which, also in a copy without history and tags."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from baking import LIBRARY, ROOT
from conftest import Bake
from databricks_utils.identity import content_of, identity_of
from releases import Release, fault, recorded, version_of
from team import replaced

OLD = Release("1.0.0", "a" * 40, "")


def library_of(folder: Path, version: str, text: str) -> Path:
    package = folder / "src" / "databricks_utils"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(text, encoding="utf-8")
    (folder / "pyproject.toml").write_text(f'[project]\nname = "x"\nversion = "{version}"\n', encoding="utf-8")
    return folder


def test_the_library_of_this_repository_may_be_called_as_it_is() -> None:
    assert fault(LIBRARY, recorded()) is None


def test_a_change_of_a_released_version_is_noticed_without_any_history(tmp_path: Path) -> None:
    # As in a shallow clone, or an archive: nothing but the files.
    library = library_of(tmp_path, "1.0.0", "a = 1\n")
    released = [Release("1.0.0", "a" * 40, content_of(library / "src" / "databricks_utils"))]
    assert fault(library, released) is None

    replaced(library / "src" / "databricks_utils" / "__init__.py", "a = 1", "a = 2")

    assert "is called 1.0.0 as the release of aaaaaaaa, and holds something else" in str(fault(library, released))
    replaced(library / "pyproject.toml", "1.0.0", "1.0.1")
    assert fault(library, released) is None


@pytest.mark.parametrize(
    ("version", "refused"), [("0.9.9", True), ("1.2.0", False), ("1.10.0", False), ("1.1.9", True)]
)
def test_versions_go_up(version: str, refused: bool, tmp_path: Path) -> None:
    library = library_of(tmp_path, version, "")

    assert (
        fault(library, [OLD, Release("1.2.0", "b" * 40, content_of(library / "src" / "databricks_utils"))]) is None
    ) is (not refused)


def test_the_record_tells_of_each_commit_what_it_held() -> None:
    for release in recorded():
        command = ["git", "archive", release.commit, f"{LIBRARY.name}/src", f"{LIBRARY.name}/pyproject.toml"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        if done.returncode:
            continue  # a shallow clone does not have it; what matters is checked without it, above
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            files = {item.name: archive.extractfile(item) for item in archive.getmembers() if item.isfile()}
        texts = {name: file.read() for name, file in files.items() if file is not None}
        assert f'version = "{release.version}"'.encode() in texts[f"{LIBRARY.name}/pyproject.toml"]
        assert release.content == hashed(texts)


def hashed(texts: dict[str, bytes]) -> str:
    begin = f"{LIBRARY.name}/src/databricks_utils/"
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in texts.items():
            if name.startswith(begin):
                path = Path(scratch, name.removeprefix(begin))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        return content_of(Path(scratch))


def test_the_wheel_in_a_project_says_which_content_it_has(bake: Bake) -> None:
    (wheel,) = (bake({}) / "libs").glob("*.whl")

    content = content_of(LIBRARY / "src" / "databricks_utils")
    assert identity_of(wheel) == f"{version_of(LIBRARY)} (content {content})"
