"""Staging's safety net: nothing is sent but to the addresses and domains that are listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from courierx_core.config import load
from courierx_core.courier import Courier
from courierx_core.hooks import hookimpl
from courierx_core.messages.model import Message, Recipient

REASON = "not in COURIERX_ALLOWED_RECIPIENTS"


class AllowlistConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses and domains that may get mail; empty lets everyone through."""

    recipients: Annotated[
        tuple[str, ...],
        msgspec.Meta(extra={"env": "COURIERX_ALLOWED_RECIPIENTS"}, examples=["ann@example.org,example.com"]),
    ] = ()


class Allowlist:
    """Block whoever is not on the list; a subdomain of a listed domain is not listed."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self.allowed = _entries(allowed)

    @hookimpl
    def courierx_startup(self, courier: Courier) -> None:
        config = load(
            AllowlistConfig, table={}, environ=courier.runtime.environ, where="the plugin allowlist"
        )
        self.allowed = _entries(config.recipients)

    @hookimpl
    def courierx_block(self, message: Message, recipients: Sequence[Recipient]) -> Mapping[int, str]:
        if not self.allowed:
            return {}
        return {each.id: REASON for each in recipients if not self.allows(each.address)}

    def allows(self, address: str) -> bool:
        address = address.casefold()
        return address in self.allowed or address.rpartition("@")[2] in self.allowed


def _entries(allowed: Sequence[str]) -> frozenset[str]:
    return frozenset(entry.removeprefix("@").casefold() for entry in allowed)
