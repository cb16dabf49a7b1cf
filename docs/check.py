"""Hold the documentation to the truth: links and anchors lead somewhere, code blocks hold.

Python compiles, TOML and JSON parse, `.env` blocks load, and a `courierx` command in a console block exists
with the options it is given. Any finding is an error: there are no warnings to get used to.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MARKDOWN = MarkdownIt("commonmark").enable("table")
ELSEWHERE = ("http", "https", "mailto")


def pages() -> list[Path]:
    """List every page of the repository."""
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def findings() -> Iterator[str]:
    """Say everything that is wrong, as `file:line: what`."""
    linked = {DOCS / "index.md"}
    for page in pages():
        tokens = MARKDOWN.parse(page.read_text("utf-8"))
        for line, link in _links(tokens):
            target, problem = _follow(page, link)
            if target:
                linked.add(target)
            if problem:
                yield f"{_name(page)}:{line}: {problem}"
        for line, language, text in _blocks(tokens):
            for problem in _block_problems(language, text):
                yield f"{_name(page)}:{line}: {problem}"
    for page in pages():
        if DOCS in page.parents and "examples" not in page.parts and page not in linked:
            yield f"{_name(page)}:1: no page links to this one"


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _links(tokens: list[Token]) -> Iterator[tuple[int, str]]:
    for token in tokens:
        line = token.map[0] + 1 if token.map else 1
        for child in token.children or ():
            link = child.attrGet("href") or child.attrGet("src")
            if link:
                yield line, str(link)


def _follow(page: Path, link: str) -> tuple[Path | None, str]:
    """Return the file that a link leads to, and what is wrong with it."""
    parts = urlsplit(link)
    if parts.scheme in ELSEWHERE:
        return None, ""
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if ROOT not in (target, *target.parents):
        return None, f"the link {link} leaves the repository"
    if not target.exists():
        return None, f"the link {link} leads nowhere"
    if parts.fragment and parts.fragment not in _anchors(target):
        return target, f"the link {link} names a heading that {_name(target)} does not have"
    return target, ""


def _anchors(page: Path) -> set[str]:
    tokens = MARKDOWN.parse(page.read_text("utf-8"))
    headings = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def _blocks(tokens: list[Token]) -> Iterator[tuple[int, str, str]]:
    for token in tokens:
        if token.type in ("fence", "code_block"):
            yield (token.map[0] + 1 if token.map else 1), token.info.strip(), token.content


def _block_problems(language: str, text: str) -> list[str]:
    check = CHECKS.get(language)
    if check is None:
        return [f"a code block of the language {language!r}; known are {', '.join(sorted(CHECKS))}"]
    try:
        return check(text) or []
    except (SyntaxError, ValueError) as problem:
        return [f"the {language} block does not hold: {problem}"]


def _python(text: str) -> None:
    tree = compile(text, "<block>", "exec", flags=0x400)
    for node in getattr(tree, "body", ()):
        for name in _imported(node):
            module, _, member = name.rpartition(":")
            if module.startswith("courierx") and not hasattr(importlib.import_module(module), member):
                raise ValueError(f"{module} has no {member}")


def _imported(node: object) -> list[str]:
    module = getattr(node, "module", None)
    return [f"{module}:{alias.name}" for alias in getattr(node, "names", ())] if module else []


def _toml(text: str) -> None:
    tomllib.loads(text)


def _json(text: str) -> None:
    json.loads(text)


def _env(text: str) -> None:
    from courierx_core import dotenv

    dotenv.parse(text)


def _anything(text: str) -> None:
    """Output, CSV, HTML: nothing to hold it to."""


def _console(text: str) -> list[str]:
    """Check the lines that a person types: those after `$`, or all when none has one."""
    lines = text.splitlines()
    typed = [line[2:] for line in lines if line.startswith("$ ")] or lines
    return [problem for line in typed for problem in _command_problems(line)]


def _command_problems(line: str) -> Iterator[str]:
    for part in re.split(r"&&|;|\|", line):
        words = shlex.split(part, comments=True)
        if words and Path(words[0]).name == "courierx":
            yield from _courierx_problems(words[1:])


def _courierx_problems(words: list[str]) -> Iterator[str]:
    known = _commands()
    path: tuple[str, ...] = ("courierx",)
    while words and (*path, words[0]) in known:
        path = (*path, words.pop(0))
    command = known[path]
    if isinstance(command, click.Group) and words and not words[0].startswith("-"):
        yield f"`{' '.join(path)}` has no command {words[0]!r}"
        return
    options = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    for word in words:
        option = word.partition("=")[0]
        if re.fullmatch(r"--?[a-z][a-z-]*", option) and option not in options | {"--help"}:
            yield f"`{' '.join(path)}` has no option {option}"


def _commands() -> dict[tuple[str, ...], click.Command]:
    spec = importlib.util.spec_from_file_location("generate", Path(__file__).with_name("generate.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.commands())


CHECKS: dict[str, Callable[[str], list[str] | None]] = {
    "python": _python,
    "toml": _toml,
    "json": _json,
    "env": _env,
    "console": _console,
    "sh": _console,
    "text": _anything,
    "csv": _anything,
    "html": _anything,
}


def main() -> int:
    found = list(findings())
    for line in found:
        print(line, file=sys.stderr)
    print(f"docs: {len(pages())} pages, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
