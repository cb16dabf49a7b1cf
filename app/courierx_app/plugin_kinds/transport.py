"""A transport that leaves each message as a file in a folder, which needs no far side."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "does": "Sends CourierX mail through",
    "group": "courierx.transports",
    "object": "Transport",
    "method": "send",
    "use": """Send through it, from any folder:

    export COURIERX_TRANSPORT=$name
    courierx doctor
    courierx send --csv people.csv --subject "Hello {{ first_name }}" --text mail.txt --from me@example.com

It leaves each message in the folder `$name-mail`, or in the one that ${env}_FOLDER names.""",
}

_CODE = '''\
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

_TEST = '''\
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

FILES: Mapping[str, str] = {"src/$package/transport.py": _CODE, "tests/test_transport.py": _TEST}
