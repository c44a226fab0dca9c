"""The harness notices what it is for: each seeded defect is found by its check, which finds nothing without it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from baking import Bakery
from checks import clients, definition, files, links, style, templates, texts, workflows
from mutation import ci_defects, definition_defects, file_defects, models_defects, streaming_defects, template_defects
from mutation.defect import DEFAULTS, Check, Defect
from repositories import copied_family

pytestmark = pytest.mark.slow

MODULES = (clients, definition, files, links, style, templates, texts, workflows)
DEFECTS: Mapping[str, Defect] = {
    **file_defects.DEFECTS,
    **definition_defects.DEFECTS,
    **ci_defects.DEFECTS,
    **template_defects.DEFECTS,
    **streaming_defects.DEFECTS,
    **models_defects.DEFECTS,
}
Sound = Callable[[Defect], list[str]]


def examined(defect: Defect, family: Path, bakery: Bakery, name: str) -> Path:
    """Return the folder that the defect's check looks at."""
    if defect.of_template:
        return family
    return bakery.bake(defect.answers or DEFAULTS, name, family / defect.template)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, bakery: Bakery) -> Sound:
    """Return what a defect's check finds in an undamaged copy of the family; each check looks at each project once."""
    family = copied_family(tmp_path_factory.mktemp("sound") / "family")
    seen: dict[str, Path] = {}
    findings: dict[tuple[Check, str], list[str]] = {}

    def cached(defect: Defect) -> list[str]:
        chosen = (defect.template, *(defect.answers or DEFAULTS).values())
        key = "family" if defect.of_template else "-".join(chosen)
        if key not in seen:
            seen[key] = examined(defect, family, bakery, f"sound-{len(seen)}")
        if (defect.check, key) not in findings:
            findings[defect.check, key] = defect.check(seen[key])
        return findings[defect.check, key]

    return cached


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found_and_a_sound_template_passes(name: str, tmp_path: Path, bakery: Bakery, sound: Sound) -> None:
    defect = DEFECTS[name]
    family = copied_family(tmp_path / "family", [defect.template])
    defect.apply(family)

    findings = defect.check(examined(defect, family, bakery, f"damaged-{name.replace(' ', '-')}"))

    assert [said for said in findings if defect.is_told_by(said)], findings
    assert sound(defect) == []


def checks() -> Iterator[Check]:
    """Yield every public function in tests/checks/ that returns findings."""
    for module in MODULES:
        for name, function in inspect.getmembers(module, inspect.isfunction):
            returned = inspect.signature(function).return_annotation
            findings = returned == "list[str]" and function.__module__ == module.__name__
            if findings and not name.startswith("_") and name not in {"expected_files", "reads_of"}:
                yield function


def test_every_check_has_a_defect_that_it_finds() -> None:
    proved = {getattr(defect.check, "func", defect.check) for defect in DEFECTS.values()}

    assert [check.__name__ for check in checks() if check not in proved] == []
