"""Check a template when it is saved: its syntax here, its cost in a child process (S01)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from os import pathsep

import msgspec

from courierx_core.errors import RenderError
from courierx_core.templates.filters import Filter
from courierx_core.templates.model import Template
from courierx_core.templates.sandbox import Program, allowed_filters
from courierx_core.templates.trial import CPU_SECONDS, MEMORY_MAX
from courierx_core.templates.variables import KNOWN, names, unknown

WALL_SECONDS = 15.0
"""The child is killed then, whatever it waits for."""

GOOD_MAX = 64
_good: dict[tuple[str, ...], Verdict] = {}

SAMPLE: Mapping[str, object] = {
    "email": "ann@example.org",
    "first_name": "Ann",
    "last_name": "Example",
    "attributes": {},
    "campaign": {},
    "tenant": {},
    "unsubscribe_url": "https://example.org/unsubscribe",
    "preferences_url": "https://example.org/preferences",
    "view_url": "https://example.org/view",
}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a template (`part`, `line` from 1, `reason`), or what it renders to.

    `output` holds subject, html and text, the html inside its layout. `warnings` do not make it invalid.
    """

    valid: bool
    part: str = ""
    line: int = 0
    reason: str = ""
    warnings: tuple[str, ...] = ()
    output: Mapping[str, str] = {}


def check(
    template: Template, data: Mapping[str, object] | None = None, filters: Mapping[str, Filter] = {}
) -> Verdict:
    """Check a template and render it with `data` (template variables) over a sample recipient.

    `filters` are the plugins'. Never raises for a bad template. Takes about 0.2 s, because it starts a
    process; sources that were found good a moment ago, without `data`, are not tried again.
    """
    key = (template.subject, template.html, template.text, template.layout, *sorted(filters))
    if data is None and (known_good := _good.get(key)) is not None:
        return known_good
    verdict = _check(template, data, filters)
    if data is None and verdict.valid:
        if len(_good) >= GOOD_MAX:
            _good.clear()
        _good[key] = verdict
    return verdict


def _check(template: Template, data: Mapping[str, object] | None, filters: Mapping[str, Filter]) -> Verdict:
    sources = {
        part: source
        for part in ("subject", "text", "html", "layout")
        if (source := getattr(template, part)) or part == "subject"
    }
    try:
        programs = _programs(sources, allowed_filters(filters))
        given = _variables(data or {})
        known = KNOWN | given.keys() | {"content"}
        asked = frozenset[str]().union(*(names(program.tree) for program in programs.values()))
        output = _trial(sources, given, filters)
    except RenderError as error:
        return Verdict(valid=False, part=error.part, line=error.line, reason=error.reason)
    return Verdict(valid=True, warnings=tuple(unknown(asked, known)), output=output)


def _programs(sources: Mapping[str, str], filters: Mapping[str, Filter]) -> dict[str, Program]:
    if not sources.get("html") and not sources.get("text"):
        raise RenderError("the template has neither html nor text; write one of them", part="html")
    programs = {
        part: Program(source, part=part, filters=filters, html=part in ("html", "layout"))
        for part, source in sources.items()
    }
    if "layout" in programs and "content" not in names(programs["layout"].tree):
        raise RenderError("the layout has no {{ content }} where the html part goes", part="layout", line=1)
    return programs


def _variables(data: Mapping[str, object]) -> dict[str, object]:
    attributes = data.get("attributes")
    return {**(attributes if isinstance(attributes, Mapping) else {}), **SAMPLE, **data}


def _trial(
    sources: Mapping[str, str], data: Mapping[str, object], filters: Mapping[str, Filter]
) -> dict[str, str]:
    """Render in a child that may use 2 s of CPU and 512 MB. Raises RenderError."""
    paths = {name: f"{function.__module__}:{function.__qualname__}" for name, function in filters.items()}
    task = json.dumps({"sources": sources, "data": data, "filters": paths}, default=str)
    try:
        done = subprocess.run(  # our own module and interpreter
            [sys.executable, "-P", "-X", "utf8", "-m", "courierx_core.templates.trial"],
            input=task.encode("ascii"),
            capture_output=True,
            timeout=WALL_SECONDS,
            env={"PYTHONPATH": pathsep.join(path for path in sys.path if path)},  # and none of our secrets
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RenderError(f"rendering takes longer than {WALL_SECONDS:.0f} s") from error
    if done.returncode < 0 or not done.stdout:
        raise RenderError(
            f"rendering takes more than {CPU_SECONDS} s of CPU time or {MEMORY_MAX >> 20} MB of memory"
        )
    answer = json.loads(done.stdout)
    if "reason" in answer:
        raise RenderError(answer["reason"], part=answer["part"], line=answer["line"])
    output: dict[str, str] = answer["output"]
    return output
