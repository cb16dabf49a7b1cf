"""The records that SES wants for a sender domain."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from courierx_core.ports.transport import TransportDown
from courierx_ses.transport import SesTransport
from tests.plugins.ses_fake import SesFake
from tests.plugins.test_ses_transport import make


@pytest.fixture
def peer() -> Iterator[SesFake]:
    with SesFake() as made:
        yield made


@pytest.fixture
def transport(peer: SesFake) -> Iterator[SesTransport]:
    made = make(peer.url)
    yield made
    made.close()


def test_an_identity_is_made_once_and_gives_its_records(peer: SesFake, transport: SesTransport) -> None:
    first = transport.aliases("acme.example")
    assert len(first) == 3
    for name, target in first:
        token = name.removesuffix("._domainkey.acme.example")
        assert target == f"{token}.dkim.amazonses.com"
    assert transport.aliases("acme.example") == first
    assert [call.method for call in peer.asked] == ["GET", "POST", "GET"]


def test_a_region_may_have_a_zone_of_its_own(peer: SesFake, transport: SesTransport) -> None:
    transport.aliases("acme.example")
    peer.identities["acme.example"]["DkimAttributes"]["SigningHostedZone"] = "k1.dkim.eu.amazonses.com"
    assert {target.partition(".")[2] for _, target in transport.aliases("acme.example")} == {
        "k1.dkim.eu.amazonses.com"
    }


def test_a_key_of_its_owners_wants_no_records(peer: SesFake, transport: SesTransport) -> None:
    transport.aliases("acme.example")
    peer.identities["acme.example"]["DkimAttributes"]["SigningAttributesOrigin"] = "EXTERNAL"
    assert transport.aliases("acme.example") == []


def test_an_outage_is_said(peer: SesFake, transport: SesTransport) -> None:
    peer.behave("drop_before")
    with pytest.raises(TransportDown, match=r"acme\.example"):
        transport.aliases("acme.example")
