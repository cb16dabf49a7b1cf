"""Tracked links and the open pixel: written into the template once, never per recipient."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import escape, unescape
from typing import NamedTuple
from urllib.parse import urlencode

CLICK = "courierx_click_"
"""The template variable of link n is this and n."""
PIXEL = "courierx_pixel"

_TAG_MAX = 8192
_OPENING = re.compile(r"<a(?=\s)", re.IGNORECASE)
_TAG = re.compile(r"""<a(?:[^"'>]++|"[^"]*"|'[^']*')*+>""", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""\s([^\s=>"'/]+)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""")
_IGNORED = re.compile(r"[\t\r\n]")  # what browsers leave out of a URL (WHATWG URL section 4.4)
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
_IMAGE = (
    '<img src="{{ %s }}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">'
)


def collect_links(html: str, layout: str = "") -> tuple[str, ...]:
    """Return each http(s) URL of an `<a href>` once, in order; its place is its number in click tokens.

    Left out: other schemes, anchors, and URLs that hold a merge tag, because no stored list can name them.
    """
    found: dict[str, None] = {}

    def keep(url: str) -> None:
        found.setdefault(url)

    _each_link(html, keep)
    _each_link(layout, keep)
    return tuple(found)


def track_links(html: str, numbers: Mapping[str, int]) -> str:
    """Put the variable of its click token in the place of every URL that has a number."""

    def replace(url: str) -> str | None:
        return f'"{{{{ {CLICK}{numbers[url]} }}}}"' if url in numbers else None

    return _each_link(html, replace)


def add_parameters(html: str, parameters: Mapping[str, str]) -> str:
    """Add query parameters to every trackable URL, but for those that it has already."""

    def extend(url: str) -> str | None:
        place, mark, fragment = url.partition("#")
        asked = place.partition("?")[2]
        has = {pair.partition("=")[0] for pair in asked.split("&")}
        new = urlencode({name: value for name, value in parameters.items() if name not in has})
        joined = "&" if asked else "" if place.endswith("?") else "?"
        return f'"{escape(f"{place}{joined}{new}{mark}{fragment}")}"' if new else None

    return _each_link(html, extend) if parameters else html


def add_pixel(html: str) -> str:
    """Put the open pixel before the last `</body>`, else at the end."""
    ends = list(_BODY_END.finditer(html))
    at = ends[-1].start() if ends else len(html)
    return html[:at] + _IMAGE % PIXEL + html[at:]


class _Value(NamedTuple):
    text: str
    start: int
    end: int


def _each_link(html: str, visit: Callable[[str], str | None]) -> str:
    """Show every trackable URL to `visit`; what it returns replaces the attribute's quoted value."""
    pieces: list[str] = []
    done = 0
    for opening in _OPENING.finditer(html):
        start = opening.start()
        if start < done:
            continue
        tag = _TAG.match(html, start, start + _TAG_MAX)
        value = _href(html, start, tag.end()) if tag else None
        if value is None:
            continue
        url = _IGNORED.sub("", unescape(value.text.strip("\"'"))).strip()
        if not url.lower().startswith(("http://", "https://")) or "{{" in url or "{%" in url:
            continue
        replacement = visit(url)
        if replacement is not None:
            pieces += (html[done : value.start], replacement)
            done = value.end
    return "".join(pieces) + html[done:]


def _href(html: str, start: int, end: int) -> _Value | None:
    for attribute in _ATTRIBUTE.finditer(html, start + 2, end):
        if attribute[1].lower() == "href":
            return _Value(attribute[2], attribute.start(2), attribute.end(2))
    return None
