"""What SES allows the account now: its rate and its daily quota, read again every five minutes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from courierx_core.ports.transport import TransportDown

log = logging.getLogger("courierx_ses")

REREAD_SECONDS = 300.0
BURST_SECONDS = 0.1
"""How much of its rate may go at once."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of GetAccount; rate and quota are 0 where there is no limit."""

    production: bool = True
    sending: bool = True
    standing: str = "HEALTHY"
    """SES's word on our reputation: HEALTHY, PROBATION or SHUTDOWN."""
    per_second: float = 0.0
    per_day: int = 0
    sent: int = 0
    """In the last 24 hours, whoever sent them."""


def read_account(client: Any) -> Account:
    """Ask SES. Raises ClientError, BotoCoreError."""
    told = client.get_account()
    quota = told.get("SendQuota", {})
    return Account(
        production=told.get("ProductionAccessEnabled", True),
        sending=told.get("SendingEnabled", True),
        standing=told.get("EnforcementStatus", "HEALTHY"),
        per_second=max(0.0, quota.get("MaxSendRate", 0.0)),
        per_day=max(0, int(quota.get("Max24HourSend", 0))),  # -1 is no limit
        sent=int(quota.get("SentLast24Hours", 0)),
    )


class Allowance:
    """What is left of it, for all threads of a transport. A process counts its own mail in between; what
    others send shows at the next reading."""

    def __init__(self, client: Callable[[], Any], monotonic: Callable[[], float], per_second: int) -> None:
        self._client, self._monotonic, self._own_rate = client, monotonic, per_second
        self._lock = threading.Lock()
        self._account: Account | None = None
        self._read_at: float | None = None
        self._left = 0
        self._turn = 0.0

    @property
    def per_second(self) -> float:
        """The rate as far as it is known: SES's or our own, whichever is less; 0 is no limit."""
        rates = [self._own_rate, self._account.per_second if self._account else 0.0]
        return min((rate for rate in rates if rate), default=0.0)

    def refresh(self) -> None:
        """Read the account if five minutes have passed; one thread does it, the others go on."""
        now = self._monotonic()
        with self._lock:
            if self._read_at is not None and now - self._read_at < REREAD_SECONDS:
                return
            first, self._read_at = self._read_at is None, now
        try:
            account = read_account(self._client())
        except (ClientError, BotoCoreError) as problem:
            # Sending says itself what is wrong; who lacks the right to ask sends without.
            log.log(logging.WARNING if first else logging.INFO, "the SES account cannot be read: %s", problem)
            account = None
        with self._lock:
            self._account = account or self._account
            self._left = account.per_day - account.sent if account else 1 << 62

    def is_used_up(self) -> bool:
        """Tell whether the day's quota is spent, as far as we know."""
        self.refresh()
        with self._lock:
            return self._left <= 0 and bool(self._account and self._account.per_day)

    def require(self) -> None:
        """Raise TransportDown, until the account is read again, when the day's quota is used up."""
        if not self.is_used_up():
            return
        with self._lock:
            assert self._account is not None
            wait = REREAD_SECONDS - (self._monotonic() - (self._read_at or 0.0))
            why = f"SES's quota of {self._account.per_day} messages in 24 hours is used up"
        raise TransportDown(why, max(1.0, wait))

    def used_up(self) -> None:
        """Hear from SES itself that nothing is left."""
        with self._lock:
            self._left = 0

    def spend(self) -> None:
        """Count one message, and move the next one's turn."""
        rate = self.per_second
        with self._lock:
            self._left -= 1
            if rate:
                self._turn = max(self._turn, self._monotonic() - BURST_SECONDS) + 1.0 / rate

    def wait(self) -> float:
        """Return the seconds until the next message's turn by the rate."""
        return max(0.0, self._turn - self._monotonic()) if self.per_second else 0.0
