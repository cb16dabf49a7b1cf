"""A resolver that answers for names in a file, and asks another for the rest."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "does": "Looks up sender domains through",
    "group": "courierx.resolvers",
    "object": "Resolver",
    "method": "txt`, `mx` and `cname",
    "requires": "courierx[dns]",
    "use": """Look up with it: `export COURIERX_RESOLVER=$name`, then `courierx doctor` and
`courierx domains check`. ${env}_RECORDS names a file of records that the DNS of this machine does not show:

    {"example.com": {"txt": ["v=spf1 -all"], "mx": [[10, "mx.example.com"]]}}""",
}

_CODE = '''\
"""The resolver `$name`: names of a file are answered from it, and another resolver is asked for the rest.

A person who has just published a record asks about that record: keep no answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
from msgspec import Meta

from courierx_core import Config, NoAnswer, Problem, Resolver, Runtime
from courierx_core.config import load
from courierx_core.plugins import RESOLVERS

T = TypeVar("T")


class ${title}Config(Config, frozen=True, kw_only=True):
    """What is known here, and whom to ask for the rest."""

    records: Annotated[str, Meta(extra={"env": "${env}_RECORDS"})] = ""
    """A JSON file: {"NAME": {"txt": [...], "mx": [[10, "HOST"]], "cname": "HOST"}}; '' is none."""
    inner: Annotated[str, Meta(extra={"env": "${env}_RESOLVER"})] = "dns"


class Records(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a name has, if the file has the name."""

    txt: tuple[str, ...] = ()
    mx: tuple[tuple[int, str], ...] = ()
    cname: str = ""


class ${title}Resolver(Resolver[${title}Config]):
    Config: ClassVar[type[Any]] = ${title}Config

    def __init__(self, name: str, config: ${title}Config, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        inner = RESOLVERS.load(config.inner)
        settings = load(inner.Config, table={}, environ=runtime.environ, where=name)
        self._inner = inner(config.inner, settings, runtime)

    def txt(self, name: str) -> Sequence[str]:
        if (here := self._known.get(name)) is None:
            return self._inner.txt(name)
        return found(here.txt, name, "TXT")

    def mx(self, name: str) -> Sequence[tuple[int, str]]:
        if (here := self._known.get(name)) is None:
            return self._inner.mx(name)
        return sorted(found(here.mx, name, "MX"))

    def cname(self, name: str) -> str:
        if (here := self._known.get(name)) is None:
            return self._inner.cname(name)
        return found(here.cname, name, "CNAME")

    def check(self) -> list[Problem]:
        try:
            known = len(self._known)
        except (OSError, msgspec.DecodeError) as problem:
            text = f"{self.name}: {self.config.records} cannot be read: {problem}"
            return [Problem("error", "records", text, "Mend the file that ${env}_RECORDS names.")]
        text = f"{self.name}: {known} names of its own."
        return [Problem("info", "records", text), *self._inner.check()]

    def close(self) -> None:
        self._inner.close()

    @cached_property
    def _known(self) -> Mapping[str, Records]:
        """Read when it is first asked: to make a driver does no I/O."""
        if not self.config.records:
            return {}
        path = self.runtime.folder / Path(self.config.records)
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Records])


def found(value: T, name: str, kind: str) -> T:
    """Return what there is, else raise NoAnswer."""
    if not value:
        raise NoAnswer(f"{name} has no {kind} record.")
    return value
'''

_TEST = '''\
"""The resolver keeps the contract, and what it knows itself goes before."""

from __future__ import annotations

from pathlib import Path

import pytest
from $package.resolver import ${title}Config, ${title}Resolver

from courierx_core import NoAnswer, Runtime
from courierx_core.plugins import RESOLVERS
from courierx_core.testing import DnsServer, ResolverContract


def resolver_of(server: DnsServer, records: str = "") -> ${title}Resolver:
    runtime = Runtime(environ={"COURIERX_DNS_SERVERS": server.address, "COURIERX_DNS_SECONDS": "1"})
    return ${title}Resolver("$name", ${title}Config(records=records), runtime)


class Test${title}(ResolverContract):
    def resolver(self, server: DnsServer) -> ${title}Resolver:
        return resolver_of(server)


def test_what_the_file_has_is_not_asked_for(tmp_path: Path) -> None:
    records = tmp_path / "records.json"
    mx = '[[20, "b.example"], [10, "c.example"]]'
    records.write_text(f'{{"a.example": {{"txt": ["v=spf1 -all"], "mx": {mx}}}}}')
    with DnsServer() as server:
        server.txt("b.example", "from the DNS")
        resolver = resolver_of(server, str(records))
        assert list(resolver.txt("a.example")) == ["v=spf1 -all"]
        assert list(resolver.mx("a.example")) == [(10, "c.example"), (20, "b.example")]
        with pytest.raises(NoAnswer):
            resolver.cname("a.example")
        assert not server.questions
        assert list(resolver.txt("b.example")) == ["from the DNS"]


def test_the_entry_point_is_found_by_its_name() -> None:
    assert RESOLVERS.load("$name") is ${title}Resolver
'''

FILES: Mapping[str, str] = {"src/$package/resolver.py": _CODE, "tests/test_resolver.py": _TEST}
