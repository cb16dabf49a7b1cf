"""Addresses as callers give them: `"Name <a@b>"` and `{"email", "name"}` alike."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from courierx_app.api.body import READS
from courierx_core.mail.address import Address, read_address


class Mailbox(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    email: str
    name: str = ""


def address_of(given: str | Mailbox, field: str) -> Address:
    """Read an address. Raises InvalidInput about `field`."""
    return read_address(given if isinstance(given, str) else msgspec.structs.asdict(given), field)


GivenAddress: TypeAlias = Annotated[str | Mailbox, msgspec.Meta(extra={READS: address_of})]


def email_of(given: GivenAddress, field: str) -> str:
    """Read an address and leave its name out. Raises InvalidInput about `field`."""
    return address_of(given, field).email
