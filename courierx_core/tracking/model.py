"""A reader's click or open as it came in, and whether a person did it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from courierx_core.mail.token import Token

Kind: TypeAlias = Literal["opened", "clicked"]

USER_AGENT_MAX = 300
BURST = 3
"""So many different links of one mail at once: no person clicks like that."""

_MACHINES = re.compile(
    # a Cubot is a telephone
    r"(?<!cu)bot\b|crawl|spider|scan|preview|proxy|prefetch|headless|monitor|validator|fetch"
    r"|barracuda|mimecast|proofpoint|safelinks|symantec|trend ?micro|cloudmark|forcepoint|forti|sophos"
    r"|curl/|wget/|python|java/|go-http|okhttp|libwww|httpclient|axios|node-fetch|ruby|perl|php/",
    re.IGNORECASE,
)
_APPLE_PRIVACY = "Mozilla/5.0"
"""All that Apple's Mail Privacy Protection says of itself."""
_PURPOSES = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_AHEAD = ("prefetch", "prerender", "preview")


class Hit(msgspec.Struct, frozen=True, gc=False):
    """`token` is read and not verified yet; `key` names the hit among all others."""

    kind: Kind
    at: datetime
    token: Token
    key: str
    user_agent: str = ""
    machine: bool = False


def is_machine(method: str, headers: Mapping[str, str]) -> bool:
    """Tell a scanner, a proxy or a prefetcher by what it says of itself; header names are lower case.

    A gateway that says it is a browser is not told from one by this (`BURST` finds some of them).
    """
    agent = headers.get("user-agent", "").strip()
    if method == "HEAD" or not agent or agent == _APPLE_PRIVACY or _MACHINES.search(agent):
        return True
    return any(word in headers.get(name, "").lower() for name in _PURPOSES for word in _AHEAD)
