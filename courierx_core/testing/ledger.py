"""What every ledger must keep: subclass, give a `store` fixture (upgraded and empty), and run pytest."""

from __future__ import annotations

from courierx_core.testing.ledger_answers import AnswersContract
from courierx_core.testing.ledger_claims import ClaimsContract
from courierx_core.testing.ledger_leases import LeasesContract
from courierx_core.testing.ledger_walk import WalkContract
from courierx_core.testing.ledger_windows import WindowsContract


class LedgerContract(ClaimsContract, LeasesContract, WindowsContract, AnswersContract, WalkContract):
    """Turns, leases, windows, late and repeated answers, and a walk through all of them at random."""
