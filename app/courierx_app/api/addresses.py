"""Addresses as callers give them: `"Name <a@b>"` and `{"email", "name"}` alike."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from courierx_core.mail.address import Address, read_address


class Mailbox(msgspec.Struct, frozen=True, kw_only=True):
    email: str
    name: str = ""


GivenAddress: TypeAlias = str | Mailbox


def address_of(given: GivenAddress, field: str) -> Address:
    """Read an address. Raises InvalidInput about `field`."""
    return read_address(given if isinstance(given, str) else msgspec.structs.asdict(given), field)


def email_of(given: GivenAddress, field: str) -> str:
    """Read an address and leave its name out. Raises InvalidInput about `field`."""
    return address_of(given, field).email
