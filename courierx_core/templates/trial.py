"""The child process of a trial render: `python -m courierx_core.templates.trial`.

Reads a task as JSON from standard input, writes the output or what went wrong to standard output. The
limits are set before anything of the template is looked at; the kernel ends what passes them.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
from collections.abc import Mapping

from courierx_core.errors import RenderError
from courierx_core.templates.filters import Body, Filter
from courierx_core.templates.sandbox import Program, allowed_filters

CPU_SECONDS = 2
MEMORY_MAX = 512 << 20
"""Octets of address space."""


def main() -> None:
    """Run one task."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    task = json.loads(sys.stdin.buffer.read())
    try:
        filters = allowed_filters({name: _filter(path) for name, path in task["filters"].items()})
        answer: dict[str, object] = {"output": _render(task["sources"], task["data"], filters)}
    except RenderError as error:
        answer = {"part": error.part, "line": error.line, "reason": error.reason}
    except MemoryError:
        answer = {
            "part": "",
            "line": 0,
            "reason": f"rendering takes more than {MEMORY_MAX >> 20} MB of memory",
        }
    sys.stdout.write(json.dumps(answer))


def _render(
    sources: Mapping[str, str], data: Mapping[str, object], filters: Mapping[str, Filter]
) -> dict[str, str]:
    output = {}
    for part in ("subject", "text", "html"):
        if part in sources:
            output[part] = Program(sources[part], part=part, filters=filters, html=part == "html").render(
                data
            )
    if "layout" in sources and "html" in output:
        layout = Program(sources["layout"], part="layout", filters=filters, html=True)
        output["html"] = layout.render({**data, "content": Body(output["html"])})
    return output


def _filter(path: str) -> Filter:
    """Import a plugin's filter; one that has no importable name stands aside and passes values on."""
    module, _, name = path.partition(":")
    try:
        found: object = importlib.import_module(module)
        for attribute in name.split("."):
            found = getattr(found, attribute)
    except (ImportError, AttributeError):
        found = None
    return found if callable(found) else _unchanged


def _unchanged(value: object, *args: object, **kwargs: object) -> object:
    return value


if __name__ == "__main__":
    main()
