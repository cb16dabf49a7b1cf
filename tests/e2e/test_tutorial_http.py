"""docs/tutorial-http.md does what it says: its commands run as they stand, and answer what it shows."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from tests.e2e.serving import Serving, serve, until

__all__ = ["serve"]
PAGE = Path(__file__).parents[2] / "docs" / "tutorial-http.md"
MARK = "--- answer ends ---"
OURS = ("URL=", "KEY=")


def steps() -> Iterator[tuple[str, str]]:
    """Give the page's blocks of commands and of answers, in order."""
    for token in MarkdownIt("commonmark").parse(PAGE.read_text("utf-8")):
        if token.type == "fence":
            yield token.info, token.content


def script(url: str, key: str) -> Iterator[str]:
    """Give what a person types, with the address and the key of this server, and a mark after each."""
    yield f"set -eu -o pipefail\nURL={url}\nKEY={key}"
    for kind, text in steps():
        for line in text.splitlines() if kind == "console" else ():
            typed = line.removeprefix("$ ")
            if not typed.startswith((*OURS, ".venv/bin/courierx serve")):
                yield f"{typed}\necho '{MARK}'"


def holds(shown: Any, got: Any) -> bool:
    """Tell whether an answer has all that the page shows; it may have more fields."""
    if isinstance(shown, dict):
        return isinstance(got, dict) and all(k in got and holds(v, got[k]) for k, v in shown.items())
    if isinstance(shown, list):
        return isinstance(got, list) and len(shown) == len(got) and all(map(holds, shown, got))
    return bool(shown == got or (isinstance(shown, str) and shown.startswith("<") and shown in got))


def test_the_page_does_what_it_says(serve: Callable[..., Serving]) -> None:
    running = serve()
    key = running.word_after("Platform key, shown this once: ")
    until(running.answers)
    done = subprocess.run(
        ["bash", "-c", "\n".join(script(running.url, key))],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr, running.said)
    answers = iter(done.stdout.split(MARK))
    last, compared = "", 0
    for kind, text in steps():
        if kind == "console":
            for line in text.splitlines():
                if not line.startswith(tuple(f"$ {word}" for word in (*OURS, ".venv/"))):
                    last = next(answers)
        else:
            assert holds(json.loads(text), json.loads(last)), (text, last)
            compared += 1
    assert compared == 10
