"""Enhanced status codes (RFC 3463, RFC 2034)."""

from __future__ import annotations

import re

# After the reply code ("550 5.1.1 ", "550-5.1.1 "), or at the start; never the middle of an IP address.
_STATUS = re.compile(r"\s*(?:[245]\d\d[ -]\s*)?#?([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")


def parse_status(reply: str) -> str:
    """Return the enhanced status code that a server's reply begins with, '' when it has none.

    `550 5.1.1 user unknown` gives `5.1.1`.
    """
    match = _STATUS.match(reply)
    return match[1] if match else ""
