"""Mail to the operator: what stands still until a person sees to it."""

from __future__ import annotations

import logging

from courierx_core.courier import Courier
from courierx_core.errors import CourierXError
from courierx_core.mail.address import split_address
from courierx_core.messages import transactional
from courierx_core.messages.new import NewMessage
from courierx_core.tenants import service as tenants

log = logging.getLogger("courierx.operator")

TENANT = "operator"
"""The tenant that what we tell the operator belongs to."""


def tell_operator(courier: Courier, subject: str, text: str, *, transport: str = "") -> None:
    """Send a mail over `transport`, or the default one, where the settings name the operator and a sender.
    A mail that cannot be made is logged: what it tells of has happened whether or not it goes."""
    to, sender = courier.policy.operator_email, courier.policy.default_sender
    if not (to and sender):
        return
    try:
        new = NewMessage(
            to=(split_address(to),),
            sender=split_address(sender),
            subject=subject,
            text="{{ told }}",
            variables={"told": text},
            transport=transport,
        )
        transactional.send(courier, tenants.ensure(courier.store, TENANT).id, new)
    except CourierXError as problem:
        log.error("the operator is not told: %s: %s", subject, problem)
