"""Modules with one defect put in on purpose, to prove that a test finds it."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType

import pytest


def broken(module: ModuleType, sound: str, defect: str, patch: pytest.MonkeyPatch) -> ModuleType:
    """Return a copy of a module in which one place reads differently.

    Args:
        module: The sound one, which is left as it is.
        sound: Text that occurs once in its source.
        defect: What stands in its place.
        patch: Takes the copy out of the list of modules after the test.
    """
    source = inspect.getsource(module)
    assert source.count(sound) == 1, f"{module.__name__} has {sound!r} {source.count(sound)} times"
    copy = ModuleType(f"broken_{module.__name__.rpartition('.')[2]}")
    patch.setitem(sys.modules, copy.__name__, copy)
    exec(compile(source.replace(sound, defect), copy.__name__, "exec"), copy.__dict__)
    return copy
