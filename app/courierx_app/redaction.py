"""Take out of a text what must not be in a log (S18): keys, passwords in URLs, tokens of links, and the
part of an address that names a person.

Code logs ids and no people, but what is logged can quote a server's reply, a database's error or a URL.
"""

from __future__ import annotations

import re

_RULES = (
    (re.compile(r"(?m)^(DETAIL: ).*"), r"\1***"),  # the row that PostgreSQL shows with an error
    (re.compile(r"\bcx_(\d+)_[A-Za-z0-9_-]+"), r"cx_\1_***"),  # our keys
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 ***"),
    (re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*):[^\s/]*@"), r"\1:***@"),  # before addresses
    (re.compile(r"(?i)(?<=/[a-z]/)[a-z2-7]{16,}"), "***"),  # the token of a link: it can unsubscribe
    (re.compile(r"(?:[\w!#$&'*+?^`{|}~.-]|%2[bB])+(?:@|%40)(?=[\w-]+(?:\.[\w-]+)+)"), "***@"),
)


def redacted(text: str) -> str:
    """Return the text with `***` in the place of each of these."""
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text
