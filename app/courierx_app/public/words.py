"""The texts of public pages in every language there is: one file each in `languages/`, named by its tag."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import TypeAlias

Words: TypeAlias = Mapping[str, str]
"""Text by key; `tag` is the language's own (RFC 5646)."""

FALLBACK = "en"
_ACCEPTED = re.compile(r"\s*([A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?))?\s*")
_ACCEPTED_MAX = 20


@cache
def catalogue() -> Mapping[str, Words]:
    """Return the texts of each language by its tag."""
    found = (path for path in files("courierx_app.public").joinpath("languages").iterdir())
    return {
        tag: {**tomllib.loads(path.read_text("utf-8")), "tag": tag}
        for path in sorted(found, key=lambda path: path.name)
        if (tag := path.name.removesuffix(".toml")) != path.name
    }


def words(*wanted: str, accept: str = "") -> Words:
    """Return the texts of the first language that there is: the person's own, else what their browser
    accepts, else the tenant's. `wanted` is the person's and the tenant's, '' where they say nothing."""
    own, rest = wanted[:1], wanted[1:]
    for tag in (*own, *_accepted(accept), *rest):
        known = _known(tag)
        if known is not None:
            return known
    return catalogue()[FALLBACK]


def _known(tag: str) -> Words | None:
    """Find `pt-br`, else `pt` (RFC 4647 section 3.4: lookup)."""
    tag = tag.strip().lower().replace("_", "-")
    while tag and tag not in catalogue():
        tag = tag.rpartition("-")[0]
    return catalogue().get(tag)


def _accepted(header: str) -> Iterator[str]:
    """Give the tags of Accept-Language (RFC 9110 section 12.5.4), the most wanted first."""
    found: list[tuple[float, int, str]] = []
    for part in header.split(",")[:_ACCEPTED_MAX]:
        match = _ACCEPTED.fullmatch(part)
        weight = float(match[2] or 1) if match else 0.0
        if match and weight:
            found.append((-weight, len(found), match[1]))
    return (tag for _, _, tag in sorted(found))
