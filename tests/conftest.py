"""How hard hypothesis tries: modestly by default, far more in `nox -s fuzz`. Never against the clock."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("modest", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=5_000)
settings.load_profile("modest")
