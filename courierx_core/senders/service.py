"""Use cases of senders: whom a tenant's mail comes from."""

from __future__ import annotations

import msgspec

from courierx_core.checking import Checks
from courierx_core.courier import Courier
from courierx_core.mail.address import Address, split_address
from courierx_core.mail.header import one_line
from courierx_core.ports.store import UnitOfWork
from courierx_core.senders.model import Sender

NAME_MAX = 255


def create(unit: UnitOfWork, email: Address, *, name: str = "", reply_to: str = "") -> Sender:
    """Save a sender, by default under the name in its address. Raises InvalidInput with every bad field,
    Conflict where the tenant has that address."""
    sender = Sender(tenant_id=unit.tenant_id, email=email.email, name=name or email.name, reply_to=reply_to)
    return unit.senders.add(_checked(sender))


def edit(unit: UnitOfWork, sender_id: int, *, name: str | None = None, reply_to: str | None = None) -> Sender:
    """Change what is given; what has been sent or started keeps what it began with. Raises InvalidInput."""
    given = {"name": name, "reply_to": reply_to}
    changes = {field: value for field, value in given.items() if value is not None}
    return unit.senders.save(_checked(msgspec.structs.replace(unit.senders.get(sender_id), **changes)))


def sender_of(courier: Courier, unit: UnitOfWork, own: Address | None) -> Sender | None:
    """Return whom mail is from: its own sender, else the tenant's default, else the install's. A saved sender
    of that address says the name, where the mail says none, and where answers go."""
    found = own or default_sender(courier, unit)
    if found is None:
        return None
    saved = unit.senders.by_email(found.email) or Sender(tenant_id=unit.tenant_id, email=found.email)
    return msgspec.structs.replace(saved, name=found.name or saved.name)


def default_sender(courier: Courier, unit: UnitOfWork) -> Address | None:
    """Return whom mail comes from that names no sender: the tenant's own default, else the install's."""
    given = unit.tenant.default_from or courier.policy.default_sender
    return split_address(given, "from_email") if given else None


def _checked(sender: Sender) -> Sender:
    checks = Checks()
    name = checks.text("name", one_line(sender.name), longest=NAME_MAX, required=False)
    reply_to = checks.mailbox("reply_to", sender.reply_to)
    checks.done()
    return msgspec.structs.replace(sender, name=name, reply_to=reply_to)
