"""What `courierx plugin new` writes: a distribution that works, and whose tests pass, as it is.

Its author replaces the one method, and keeps the rest.
"""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from courierx_app.plugin_kinds import feedback, hooks, limiter, queue, resolver, store, transport
from courierx_core.errors import InvalidInput

NAME_MAX = 40
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def write(name: str, into: Path, kind: str = "transport") -> list[Path]:
    """Write the distribution `courierx-NAME` into a folder that does not exist yet; return its files.

    `kind` is one of KINDS.

    Raises InvalidInput: a name that no package can have, or a folder that is there.
    """
    if not _NAME.fullmatch(name) or len(name) > NAME_MAX:
        why = f"got {name!r}; it takes up to {NAME_MAX} of a-z, 0-9 and single -, such as pigeon"
        raise InvalidInput.of("NAME", "invalid", why)
    if into.exists():
        raise InvalidInput.of("--into", "taken", f"{into} exists; name another folder, or remove it")
    words = {
        "name": name,
        "package": f"courierx_{name.replace('-', '_')}",
        "title": "".join(part.capitalize() for part in name.split("-")),
        "module": kind,
        "env": name.replace("-", "_").upper(),
        "requires": "courierx",
        **KINDS[kind].WORDS,
    }
    words["use"] = Template(words["use"]).substitute(words)
    written = []
    for path, text in {**_COMMON, **KINDS[kind].FILES}.items():
        file = into / Template(path).substitute(words)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(Template(text).substitute(words), "utf-8")
        written.append(file)
    return written


_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "courierx-$name"
version = "0.1.0"
description = "$does $title."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["$requires"]

[project.optional-dependencies]
test = ["pytest>=9", "hypothesis>=6.150"] # what the suites of courierx_core.testing need

[project.entry-points."$group"]
$name = "$package.$module:$title$object"

[tool.hatch.build.targets.wheel]
packages = ["src/$package"]
"""

_README = """\
# courierx-$name

$does $title.

In the environment that CourierX is installed in:

    pip install -e '.[test]'
    pytest
    courierx plugins

$use

Next: replace `$method` in `src/$package/$module.py`, and keep `tests/test_$module.py` green.
"""

_COMMON = {
    "pyproject.toml": _PYPROJECT,
    "README.md": _README,
    "src/$package/__init__.py": '"""$title for CourierX."""\n',
    "src/$package/py.typed": "",
}
"""Path -> text, both with `$name` and its kin to fill in."""

KINDS = {
    "transport": transport,
    "feedback": feedback,
    "queue": queue,
    "limiter": limiter,
    "resolver": resolver,
    "store": store,
    "hooks": hooks,
}
"""Kind -> the module with its own words and files."""
