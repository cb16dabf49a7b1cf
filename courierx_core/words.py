"""What the far side said, made fit for a text column. Servers may say anything."""

from __future__ import annotations

WORDS_MAX = 500
"""Characters of the far side's words that are kept."""


def storable(text: str, longest: int = WORDS_MAX) -> str:
    """Cut a text, and take out what no store takes: NUL, and halves of surrogate pairs."""
    if "\0" in text or not text.isascii():
        text = text[:longest].encode("utf-8", "replace").decode().replace("\0", "")
    return text[:longest]
