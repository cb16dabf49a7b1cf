"""What every way in shares: which addresses are ours, and the count of what became of each mail."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence

from courierx_core.courier import Courier
from courierx_core.errors import StoreError
from courierx_core.feedback.inbound import Fate, take_in
from courierx_core.feedback.service import named_by
from courierx_core.mail.incoming import unsubscribe_token, verp_token

log = logging.getLogger("courierx_app.inbound")


class Intake:
    """One process's way to the store; any thread may use it. `addresses` are taken beside return paths."""

    def __init__(self, courier: Courier, addresses: Sequence[str] = ()) -> None:
        self._courier = courier
        self._addresses = frozenset(address.strip().lower() for address in addresses)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def knows(self, address: str) -> bool:
        """Tell whether mail to an address is ours: the return path or the List-Unsubscribe of a delivery, or
        one that the settings name. Raises StoreError."""
        if token := verp_token(address):
            return named_by(self._courier, token, "verp") is not None
        if token := unsubscribe_token(address):
            return named_by(self._courier, token, "unsubscribe") is not None
        return address.lower() in self._addresses

    def take(self, raw: bytes, to: str = "") -> Fate:
        """Take a mail in and count what became of it. Raises StoreError, and counts that too."""
        try:
            fate = take_in(self._courier, raw, to=to)
        except StoreError:
            self.count("store_unavailable")
            raise
        self.count(fate)
        self._courier.tallies.write(self._courier.store)
        return fate

    def count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def counts(self) -> Mapping[str, int]:
        """Return how often what has happened since the start."""
        with self._lock:
            return dict(self._counts)
