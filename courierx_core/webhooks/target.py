"""Where a webhook may lead: public addresses only, or networks that the operator names (SECURITY: S04).

The addresses that are checked are the ones that are dialled, so no name server can change its mind between.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from courierx_core.errors import CourierXError, InvalidInput

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
LookUp: TypeAlias = Callable[[str, int], Sequence[str]]
"""From a host and a port to addresses. Raises OSError."""

URL_MAX = 2000
TRANSLATED = ip_network("64:ff9b::/96")
"""IPv6 addresses with an IPv4 address in their last 32 bits (RFC 6052)."""
TRANSLATED_LOCALLY = ip_network("64:ff9b:1::/48")
"""The same within one network (RFC 8215): public nowhere."""


class Refused(CourierXError):
    """The target may not be called."""

    code = "forbidden"


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """Read addresses and networks such as `10.0.0.0/8`. Raises ValueError."""
    return tuple(ip_network(text) for text in texts)


def look_up(host: str, port: int) -> Sequence[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def read_url(text: str, networks: Sequence[Network]) -> str:
    """Return a URL that could be called. Raises InvalidInput with what is wrong; what its name leads to is
    seen with each call."""
    try:
        found = urlsplit(text.strip())
        port, host = found.port, found.hostname or ""
        host.encode("idna")
    except ValueError:
        raise _invalid(text, "is no URL; it takes one such as https://example.com/hooks") from None
    schemes = ("https", "http") if networks else ("https",)
    if found.scheme not in schemes or not host or port == 0:
        raise _invalid(text, f"takes {' or '.join(schemes)}://host[:port]/path")
    if len(text) > URL_MAX or not text.strip().isascii() or any(char <= " " for char in text.strip()):
        raise _invalid(text, f"takes at most {URL_MAX} characters of ASCII, without space")
    if found.username is not None or found.password is not None or found.fragment:
        raise _invalid(text, "must have no user, password or fragment")
    try:
        address = ip_address(host)
    except ValueError:
        return text.strip()
    if not _allowed(address, found, networks):
        raise _invalid(text, "leads to an address that is not public")
    return text.strip()


def addresses(url: SplitResult, networks: Sequence[Network], look: LookUp = look_up) -> Sequence[str]:
    """Return the addresses to dial. Raises Refused where one of them may not be, OSError where the name has
    none."""
    host = url.hostname or ""
    found = look(host, port_of(url))
    for each in found:
        if not _allowed(ip_address(each.partition("%")[0]), url, networks):
            raise Refused(f"{host} leads to {each}, which is no public address")
    return found


def port_of(url: SplitResult) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def is_public(address: Address) -> bool:
    """Tell whether everybody may reach an address, by every way that one can be written in another."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None or address in TRANSLATED:
            return is_public(IPv4Address(address.packed[-4:]))
        if address.is_site_local or address in TRANSLATED_LOCALLY:
            return False
        inner = (address.sixtofour, *(address.teredo or ()))
        if not all(is_public(each) for each in inner if each is not None):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_link_local)


def _allowed(address: Address, url: SplitResult, networks: Sequence[Network]) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if any((mapped or address) in each for each in networks):
        return True
    return url.scheme == "https" and is_public(address)


def _invalid(text: str, why: str) -> InvalidInput:
    return InvalidInput.of("url", "invalid", f"{text.strip()!r:.100} {why}")
