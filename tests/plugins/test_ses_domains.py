"""The records that SES wants for a sender domain."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from courierx_core.ports.transport import DomainKey, TransportDown
from courierx_ses.transport import SesTransport
from tests.plugins.ses_fake import SesFake
from tests.plugins.test_ses_fake import PRIVATE
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


def unasked() -> DomainKey:
    raise AssertionError("Easy DKIM needs no key of ours, so none is decrypted")


def own(selector: str, *, published: bool = True) -> Callable[[], DomainKey]:
    return lambda: DomainKey(selector=selector, private=PRIVATE, published=published)


def changes(peer: SesFake) -> list[str]:
    """Return the last parts of the paths of what was not only asked, and forget them."""
    made = [call.path.rpartition("/")[2] for call in peer.asked if call.method != "GET"]
    peer.asked.clear()
    return made


def test_an_identity_is_made_once_and_gives_its_records(peer: SesFake, transport: SesTransport) -> None:
    first = transport.records("acme.example", unasked)
    assert len(first) == 3
    for kind, name, target in first:
        token = name.removesuffix("._domainkey.acme.example")
        assert (kind, target) == ("CNAME", f"{token}.dkim.amazonses.com")
    assert transport.records("acme.example", unasked) == first
    assert [call.method for call in peer.asked] == ["GET", "POST", "GET"]


def test_a_region_may_have_a_zone_of_its_own(peer: SesFake, transport: SesTransport) -> None:
    transport.records("acme.example", unasked)
    peer.identities["acme.example"]["DkimAttributes"]["SigningHostedZone"] = "k1.dkim.eu.amazonses.com"
    assert {each.value.partition(".")[2] for each in transport.records("acme.example", unasked)} == {
        "k1.dkim.eu.amazonses.com"
    }


def test_a_key_of_its_owners_wants_no_records(peer: SesFake, transport: SesTransport) -> None:
    transport.records("acme.example", unasked)
    peer.identities["acme.example"]["DkimAttributes"]["SigningAttributesOrigin"] = "EXTERNAL"
    assert transport.records("acme.example", unasked) == []


def test_ses_signs_with_our_key_and_follows_its_rotation(peer: SesFake) -> None:
    transport = make(peer.url, dkim="own")

    def key_of(domain: str) -> list[str]:
        tokens: list[str] = peer.identities[domain]["DkimAttributes"]["Tokens"]
        return tokens

    assert transport.records("acme.example", own("one", published=False)) == []
    assert (changes(peer), key_of("acme.example")) == (["identities"], ["one"])
    assert transport.records("acme.example", own("one")) == []
    transport.records("acme.example", own("two", published=False))
    assert (changes(peer), key_of("acme.example")) == ([], ["one"])  # signed as before, until it is published
    transport.records("acme.example", own("two"))
    assert (changes(peer), key_of("acme.example")) == (["signing"], ["two"])
    transport.close()


def test_an_identity_with_easy_dkim_keeps_it_until_our_key_is_published(peer: SesFake) -> None:
    easy, byo = make(peer.url), make(peer.url, dkim="own")
    records = easy.records("acme.example", unasked)
    assert byo.records("acme.example", own("one", published=False)) == records
    assert byo.records("acme.example", own("one")) == []
    assert changes(peer) == ["identities", "signing"]
    easy.close()
    byo.close()


def test_a_mail_from_below_the_domain(peer: SesFake, transport: SesTransport) -> None:
    wanting = make(peer.url, mail_from="ses", region="eu-west-1")
    records = wanting.records("acme.example", unasked)[3:]
    assert records == [
        ("MX", "ses.acme.example", "10 feedback-smtp.eu-west-1.amazonses.com"),
        ("TXT", "ses.acme.example", "v=spf1 include:amazonses.com ~all"),
    ]
    assert wanting.records("acme.example", unasked)[3:] == records
    assert changes(peer) == ["identities", "mail-from"]  # once
    wanting.close()
    given = transport.records("acme.example", unasked)[3:]  # by hand, for all that this one knows
    assert ([each.type for each in given], changes(peer)) == (["MX", "TXT"], [])


@pytest.mark.parametrize("label", ["bounce", "a.b", "-a", "Ses", "a" * 64])
def test_what_can_be_no_mail_from(label: str) -> None:
    with pytest.raises(ValueError, match="mail_from is"):
        make("http://127.0.0.1:1", mail_from=label)


def test_an_outage_is_said(peer: SesFake, transport: SesTransport) -> None:
    peer.behave("drop_before")
    with pytest.raises(TransportDown, match=r"acme\.example"):
        transport.records("acme.example", unasked)
