"""A text part from HTML, as a person would type it: links as `words (url)`, lists, headings, tables."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_SKIPPED = frozenset({"head", "style", "script", "title", "template"})
_PARAGRAPHS = frozenset({
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre", "hr",
})  # fmt: skip
_LINES = frozenset({
    "div", "li", "tr", "br", "section", "article", "header", "footer", "dt", "dd", "address", "center",
})  # fmt: skip
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_MARK = re.compile(r"(?:^|\n) *(?:-|\d+\.) $")
_MASK = re.compile("\ue000([0-9]+)\ue001")


def text_of(html: str) -> str:
    """Return the text of an HTML mail. Template tags go through untouched, wherever they stand."""
    # `{{ a < b }}` would start a tag for the parser, so template tags travel as numbers.
    tags: list[str] = []

    def mask(found: re.Match[str]) -> str:
        tags.append(found[0])
        return f"\ue000{len(tags) - 1}\ue001"

    reader = _Reader()
    reader.feed(_TEMPLATE.sub(mask, html.replace("\ue000", "").replace("\ue001", "")))
    reader.close()
    return _MASK.sub(lambda found: tags[int(found[1])], reader.text())


class _Reader(HTMLParser):
    """Collects words; line breaks are only asked for, and written before the next word, the largest once."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._out: list[str] = []
        self._gap = 0
        """Line ends wanted before the next word."""
        self._skip = 0
        self._pre = 0
        self._links: list[tuple[str, int]] = []
        self._lists: list[int | None] = []
        """For each open list the next number, None for bullets."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _SKIPPED:
            self._skip += 1
        elif self._skip:
            return
        elif tag == "a":
            self._links.append((given.get("href", "").strip(), len(self._out)))
        elif tag == "img":
            self._words(given.get("alt", ""))
        elif tag in ("td", "th"):
            self._words(" ")
        elif tag == "li":
            self._item()
        else:
            self._break(tag)
            self._opened(tag, given)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _SKIPPED:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED:
            self._skip = max(0, self._skip - 1)
        elif self._skip:
            return
        elif tag == "a" and self._links:
            self._linked(*self._links.pop())
        else:
            if tag in ("ul", "ol") and self._lists:
                self._lists.pop()
            self._pre = max(0, self._pre - (tag == "pre"))
            self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self._words(data)

    def text(self) -> str:
        return "".join(self._out).strip() + "\n" if self._out else ""

    def _opened(self, tag: str, given: dict[str, str]) -> None:
        if tag == "hr":
            self._write("-" * 20)
            self._gap = 2
        elif tag == "pre":
            self._pre += 1
        elif tag == "ul":
            self._lists.append(None)
        elif tag == "ol":
            start = given.get("start", "")
            self._lists.append(int(start) if start.isascii() and start.isdigit() and len(start) < 7 else 1)

    def _item(self) -> None:
        number = self._lists[-1] if self._lists else None
        if number is not None:
            self._lists[-1] = number + 1
        self._gap = max(self._gap, 1)
        indent = "  " * (len(self._lists) - 1)
        self._write(f"{indent}- " if number is None else f"{indent}{number}. ")

    def _break(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self._gap = max(self._gap, 1 if self._lists else 2)
        elif tag in _LINES:
            self._gap = max(self._gap, 1)

    def _linked(self, url: str, start: int) -> None:
        words = "".join(self._out[start:]).strip()
        if url and not url.startswith("#") and words not in (url, url.removeprefix("mailto:")):
            self._write(f" ({url})" if words else url)

    def _words(self, data: str) -> None:
        if self._pre:
            self._write(data)
            return
        words = re.sub(r"\s+", " ", data)
        if self._gap or not self._out or self._out[-1].endswith((" ", "\n")):
            words = words.lstrip()
        if words:
            self._write(words)

    def _write(self, words: str) -> None:
        if self._out:
            last = self._out[-1]
            # A list mark keeps its line: the paragraph inside an item starts beside it.
            gap = 0 if _MARK.search(last) else self._gap
            if gap:
                self._out[-1] = last.rstrip(" ")
            words = "\n" * gap + words
        self._gap = 0
        self._out.append(words)
