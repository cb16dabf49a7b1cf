"""What a server said it can do, in its answer to EHLO."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Offers(msgspec.Struct, frozen=True):
    """The extensions a conversation cares about."""

    pipelining: bool = False
    """RFC 2920."""
    eight_bit: bool = False
    """8BITMIME, RFC 6152."""
    smtputf8: bool = False
    """RFC 6531."""
    sizes: bool = False
    """SIZE, RFC 1870: MAIL may say how large the message is."""
    max_bytes: int = 0
    """The largest message taken; 0 is no stated limit."""


def read_offers(features: Mapping[str, str]) -> Offers:
    """Read EHLO keywords (lower case) with their parameters."""
    size = features.get("size", "").strip()
    return Offers(
        pipelining="pipelining" in features,
        eight_bit="8bitmime" in features,
        smtputf8="smtputf8" in features,
        sizes="size" in features,
        max_bytes=int(size) if size.isdecimal() else 0,
    )
