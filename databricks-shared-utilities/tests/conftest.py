"""Properties are checked on the same examples everywhere, and no example fails because a machine is busy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("repository", deadline=None, derandomize=True)
settings.load_profile("repository")
