"""The use case of erasing a person."""

from __future__ import annotations

from courierx_core.courier import Courier
from courierx_core.erasure.marks import key_of, mark
from courierx_core.errors import Conflict
from courierx_core.mail.address import normalise
from courierx_core.ports.erasures import Erased
from courierx_core.suppression.model import Suppression

REASON = "erased"


def erase(courier: Courier, tenant_id: int, address: str) -> Erased:
    """Take a person out of everything a tenant has, for good; safe to repeat.

    What stays is a mark on the suppression list that nobody can read the address from: no import, no request
    and no message brings them back, until that suppression is removed. Raises InvalidInput for what is no
    address, and Conflict while something under way might write it down again: nothing goes to the address
    from then on, so it is soon over.
    """
    address = normalise(address, "email")
    with courier.store.begin(tenant_id) as unit:
        held = Suppression(tenant_id=tenant_id, address=mark(key_of(courier, unit), address), reason=REASON)
        unit.suppressions.strengthen(held)
        # by its plain name too, for what is under way: the engine asks before every message
        unit.suppressions.strengthen(Suppression(tenant_id=tenant_id, address=address, reason=REASON))
    with courier.store.begin(tenant_id) as unit:
        why = unit.erasures.hinders(address)
        if why:
            raise Conflict(
                f"{why}, so nobody can be erased yet. Nothing is sent there from now on; ask again later."
            )
        return unit.erasures.erase(address)
