"""Where a tenant's own transports are kept, encrypted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from courierx_core.transports.model import OwnTransport, Sealed


class OwnTransports(Protocol):
    def list(self) -> Sequence[OwnTransport]:
        """Return the tenant's, by name, without their settings."""

    def get(self, name: str) -> Sealed | None:
        """Return one with its settings, as they are kept."""

    def save(self, name: str, driver: str, settings: bytes) -> OwnTransport:
        """Add it, or change it."""

    def remove(self, name: str) -> bool:
        """Forget it; False where there was none."""
