"""Whose request it is: the peer's address, or what a trusted proxy says of it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias

from courierx_core.errors import ConfigError

Network: TypeAlias = IPv4Network | IPv6Network


def networks(texts: Sequence[str], setting: str = "COURIERX_TRUSTED_PROXIES") -> tuple[Network, ...]:
    """Read addresses and networks such as `10.0.0.0/8`. Raises ConfigError naming the first that is none."""
    found = []
    for text in texts:
        try:
            found.append(ip_network(text))
        except ValueError as problem:
            raise ConfigError(
                f"{setting}: {problem}; it takes addresses and networks such as 10.0.0.0/8"
            ) from None
    return tuple(found)


def client_address(scope: Any, trusted: Sequence[Network]) -> str:
    """Return the address nearest to us that is not a trusted proxy's; '' where there is none.

    Whatever stands left of it in X-Forwarded-For is the client's own invention.
    """
    peer = str(scope["client"][0]) if scope.get("client") else ""
    if not _is_of(peer, trusted):
        return peer
    given = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    hops = [hop.strip() for hop in given.decode("latin-1").split(",") if hop.strip()]
    for hop in reversed(hops):
        if not _is_of(hop, trusted):
            return hop
    return hops[0] if hops else peer


def source(address: str) -> str:
    """Return what limits count by: the address, or of IPv6 its /64, which one customer has to themselves."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped or ip_network((found.packed[:8] + bytes(8), 64)))
    return str(found)


def _is_of(text: str, trusted: Sequence[Network]) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in trusted)
