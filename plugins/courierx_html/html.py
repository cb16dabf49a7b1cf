"""HTML from plain text: paragraphs, line breaks and links, nothing else."""

from __future__ import annotations

import re
from html import escape

_URL = re.compile(r"https?://[^\s<>\"'{}]+[^\s<>\"'{}.,;:!?)\]]")
_TAG = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})", re.DOTALL)


def html_of(text: str) -> str:
    """Turn text into HTML. What is inside template tags stays as it is: quotes there are syntax."""
    blocks = re.split(r"\n[ \t]*\n\s*", text.replace("\r\n", "\n").strip())
    return "\n".join(f"<p>{_inline(block)}</p>" for block in blocks if block)


def _inline(block: str) -> str:
    parts = _TAG.split(block)
    parts[::2] = [_linked(part) for part in parts[::2]]
    return "".join(parts)


def _linked(plain: str) -> str:
    out, at = [], 0
    for url in _URL.finditer(plain):
        shown = escape(url[0])
        out += [escape(plain[at : url.start()], quote=False), f'<a href="{shown}">{shown}</a>']
        at = url.end()
    out.append(escape(plain[at:], quote=False))
    return "".join(out).replace("\n", "<br>\n")
