"""A tenant's branding checked: every value ends up in a page that strangers see."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

from courierx_core.checking import Checks
from courierx_core.tenants.model import NAME_MAX, Branding

IMPRINT_MAX, URL_MAX = 500, 500
_COLOUR = re.compile(r"#[0-9a-f]{6}", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", re.ASCII)


def checked(checks: Checks, given: Branding) -> Branding:
    """Return the branding in its one form; what is wrong with it is noted in `checks`."""
    texts = {
        name: checks.text(f"branding.{name}", getattr(given, name), longest=longest, required=False)
        for name, longest in (
            ("name", NAME_MAX), ("imprint", IMPRINT_MAX), ("logo_url", URL_MAX), ("home_url", URL_MAX),
        )
    }  # fmt: skip
    for name in ("logo_url", "home_url"):
        if texts[name] and not _is_https(texts[name]):
            checks.add(f"branding.{name}", "invalid", f"{texts[name]!r:.90} is no https URL")
    language = given.language.strip().lower().replace("_", "-")
    if language and not _LANGUAGE.fullmatch(language):
        checks.add("branding.language", "invalid", f"{language!r:.40} is no language such as de or pt-br")
    colour = given.colour.strip().lower()
    if colour and not _COLOUR.fullmatch(colour):
        checks.add("branding.colour", "invalid", f"{colour!r:.40} is no colour such as #1a73e8")
    return msgspec.structs.replace(given, **texts, language=language, colour=colour)


def checked_host(checks: Checks, given: str) -> str:
    """Return the https address of a host, without a path; '' stays."""
    url = given.strip().rstrip("/")
    if url and not (_is_https(url) and url.count("/") == 2 and not set("?#@") & set(url) and url.isascii()):
        checks.add("public_url", "invalid", f"{given!r:.90} is no address such as https://links.example.com")
    return url[:URL_MAX]


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and not re.search(r"[\s\"'<>\\]", url)
