"""What campaigns leave to single messages of anything that there is only so much of."""

from __future__ import annotations

BROADCAST_SHARE = 0.9
"""The part that broadcast mail may use, so a password reset has room."""


def broadcast_share(count: int) -> int:
    """Return what campaigns may take of it, at least 1."""
    return max(1, int(count * BROADCAST_SHARE))
