"""What `courierx plugin new` writes: a distribution that works, and whose tests pass, as it is.

Its transport leaves each message as a file in a folder, which needs no far side; its hook counts what was
sent. Their author replaces the one method, and keeps the rest.
"""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

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
        **_WORDS[kind],
    }
    written = []
    for path, text in (_COMMON | KINDS[kind]).items():
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
dependencies = ["courierx"]

[project.entry-points."$group"]
$name = "$package.$module:$title$object"

[tool.hatch.build.targets.wheel]
packages = ["src/$package"]
"""

_README = """\
# courierx-$name

$does $title.

    pip install -e . pytest
    pytest
    courierx plugins

Next: replace `$method` in `src/$package/$module.py`, and keep `tests/test_$module.py` green.
"""

_TRANSPORT = '''\
"""The transport `$name`: one attempt for each envelope, and an outcome for whatever becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from courierx_core import (
    Accepted,
    Config,
    Envelope,
    Receipt,
    Session,
    Traits,
    Transport,
    TransportDown,
    Uncertain,
)


class ${title}Config(Config, frozen=True, kw_only=True):
    """Where the mail goes."""

    folder: Annotated[str, Meta(extra={"env": "${env}_FOLDER"})] = "$name-mail"


class ${title}Transport(Transport[${title}Config]):
    Config: ClassVar[type[Any]] = ${title}Config
    traits = Traits(max_concurrency=4)

    def open(self) -> Session:
        return ${title}Session(Path(self.config.folder))


class ${title}Session(Session):
    """Used by one thread at a time; keep a connection here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, envelope: Envelope) -> Receipt:
        """Hand one envelope over, once, and say what is known of it. Never retry in here."""
        message = envelope.mime()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            # Nothing was handed over, and nothing can be.
            raise TransportDown(f"{self._folder}: {problem.strerror}") from problem
        try:
            (self._folder / f"{envelope.id}-{envelope.send_id}.eml").write_bytes(message)
        except OSError as problem:
            # Some of it may have arrived: nobody knows.
            return Uncertain(envelope.id, "answer", str(problem.strerror))
        return Accepted(envelope.id, provider_id=envelope.send_id)

    def close(self) -> None:
        pass
'''

_TRANSPORT_TEST = '''\
"""The transport keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest
from $package.transport import ${title}Config, ${title}Transport

from courierx_core import Runtime
from courierx_core.plugins import TRANSPORTS
from courierx_core.testing import TransportContract
from courierx_core.testing.peers import PeerMode


class Folder:
    """The far side: what lies in the folder has arrived."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def behave(self, mode: PeerMode) -> None:
        if mode != "accept":
            pytest.skip("a folder has no connection to break; give your far side a peer that breaks it")

    def attempts(self) -> int:
        return len(list(self.path.glob("*.eml")))


class Test${title}(TransportContract):
    @pytest.fixture
    def peer(self, tmp_path: Path) -> Folder:
        return Folder(tmp_path / "mail")

    def transport(self, peer: Folder) -> ${title}Transport:  # type: ignore[override]
        return ${title}Transport("$name", ${title}Config(folder=str(peer.path)), Runtime())


def test_the_entry_point_is_found_by_its_name() -> None:
    assert TRANSPORTS.load("$name") is ${title}Transport
'''

_HOOKS = '''\
"""Hooks of `$name`: any method that is named as in `courierx_core.hookspecs` and marked is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from courierx_core import Outcome, hookimpl


class ${title}Hooks:
    """Made once per process."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    @hookimpl
    def courierx_after_send(self, results: Sequence[Outcome]) -> None:
        self.seen += Counter(outcome.state for outcome in results)
'''

_HOOKS_TEST = '''\
"""The hooks fit their specifications, and are asked."""

from __future__ import annotations

from $package.hooks import ${title}Hooks

from courierx_core import Outcome
from courierx_core.plugins import load_hooks, register


def test_it_counts_what_was_sent() -> None:
    plugin = ${title}Hooks()
    hooks = register([("$name", plugin)])
    hooks.after_send([Outcome(1, 1, 1, "accepted", attempt=1), Outcome(2, 1, 1, "uncertain", attempt=1)])
    assert plugin.seen == {"accepted": 1, "uncertain": 1}


def test_it_is_installed_and_asked() -> None:
    assert "$name" in load_hooks().order()["courierx_after_send"]
'''

_COMMON = {
    "pyproject.toml": _PYPROJECT,
    "README.md": _README,
    "src/$package/__init__.py": '"""$title for CourierX."""\n',
    "src/$package/py.typed": "",
}
"""Path -> text, both with `$name` and its kin to fill in."""

_WORDS = {
    "transport": {
        "does": "Sends CourierX mail through",
        "group": "courierx.transports",
        "object": "Transport",
        "method": "send",
    },
    "hooks": {
        "does": "Hooks into CourierX for",
        "group": "courierx.hooks",
        "object": "Hooks",
        "method": "courierx_after_send",
    },
}
"""Kind -> the words of its own."""

KINDS = {
    "transport": {"src/$package/transport.py": _TRANSPORT, "tests/test_transport.py": _TRANSPORT_TEST},
    "hooks": {"src/$package/hooks.py": _HOOKS, "tests/test_hooks.py": _HOOKS_TEST},
}
"""Kind -> its files, beside what all have."""
