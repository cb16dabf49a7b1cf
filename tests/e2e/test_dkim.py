"""Signatures that somebody else's verifier takes, and takes no longer once a byte has changed."""

from __future__ import annotations

from base64 import b64decode
from functools import cache

import dkim
import pytest
from dkim.canonicalization import Relaxed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from courierx_core.mail import dkim_key
from courierx_core.mail.dkim import OVERSIGNED, SIGNED, Signer, SigningKey, relaxed_body
from courierx_core.mail.dkim_key import Algorithm
from courierx_core.messages.compile import Compiled
from courierx_core.ports.transport import Attachment
from tests.messages import KEYS, message, read, recipient

NOW = 1_780_000_000
LOGIC = "{% if first_name %}x{% endif %}"


@cache
def key_of(algorithm: Algorithm) -> tuple[SigningKey, bytes]:
    """Return a key and the record that publishes it."""
    private, public = dkim_key.generate(algorithm)
    return (
        SigningKey(f"cx{algorithm[0]}", algorithm, dkim_key.load(private)),
        dkim_key.record(algorithm, public).encode(),
    )


def signer(*algorithms: Algorithm) -> Signer:
    return Signer("example.com", [key_of(each)[0] for each in algorithms or ("rsa", "ed25519")])


def published(name: bytes, timeout: int = 5) -> bytes:
    algorithm: Algorithm = "rsa" if name.startswith(b"cxr.") else "ed25519"
    assert name in (b"cxr._domainkey.example.com.", b"cxe._domainkey.example.com.")
    return key_of(algorithm)[1]


def verifies(mail: bytes, place: int = 0) -> bool:
    """Ask dkimpy about the signature at a place from the top."""
    try:
        return bool(dkim.DKIM(mail, minkey=2048).verify(place, dnsfunc=published))
    except dkim.DKIMException:
        return False


texts = st.text(
    st.sampled_from("ab .\t\n\r=é 😀<>-") | st.characters(exclude_categories=["Cs"]), max_size=60
)  # fmt: skip
sources = texts.map(lambda text: text.replace("{", ""))
"""Templates that say nothing but text: a brace beside another would be syntax."""
bodies = sources.map(lambda text: text + "{{ first_name }}" + text)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(
    stream=st.sampled_from(["broadcast", "transactional"]),
    subject=sources,
    text=bodies,
    html=st.just("") | bodies,
    name=texts,
    logic=st.sampled_from(["", LOGIC]),
    files=st.lists(st.binary(max_size=99), max_size=1),
    cc=st.sampled_from([(), ("Bob <bob@example.org>",)]),
)
def test_every_message_that_is_compiled_verifies(
    stream: str,
    subject: str,
    text: str,
    html: str,
    name: str,
    logic: str,
    files: list[bytes],
    cc: tuple[str, ...],
) -> None:
    attachments = [Attachment(filename="a.txt", content_type="text/plain", content=data) for data in files]
    source = message(
        stream, subject=subject + logic, text=text, html=html, from_name=name, cc=cc,
        reply_to="Ann <ann@example.com>", attachments=tuple(attachments),
        headers=(("X-Odd", name),) if name.isprintable() else (),
    )  # fmt: skip
    who = recipient(first_name=name)
    mail = Compiled(source, KEYS, signer=signer(), clock=lambda: NOW).render(who)
    assert verifies(mail, 0)
    assert verifies(mail, 1)
    read(mail)
    [envelope] = Compiled(source, KEYS, signer=signer(), clock=lambda: NOW).envelopes([who])
    assert verifies(envelope.wire().replace(b"\r\n..", b"\r\n."))


def signed_mail(**content: object) -> bytes:
    source = message(html="<p>Hello {{ first_name }},</p>\n<p>how are  you?</p>", text="Hello", **content)
    return Compiled(source, KEYS, signer=signer("rsa"), clock=lambda: NOW).render(recipient(first_name="Ann"))


@given(st.data())
def test_one_changed_byte_is_noticed(data: st.DataObject) -> None:
    mail = signed_mail()
    _, _, rest = mail.partition(b"\r\nMessage-ID: ")
    start = len(mail) - len(rest)
    # Spaces and line ends may change, and names of fields their case; MIME's own are in `h=` as well.
    places = [place for place in range(start, len(mail)) if not mail[place : place + 1].isspace()]
    place = data.draw(st.sampled_from(places))
    byte = data.draw(st.integers(33, 126).filter(lambda byte: chr(byte).lower() != chr(mail[place]).lower()))
    changed = mail[:place] + bytes([byte]) + mail[place + 1 :]
    assert not verifies(changed)


@pytest.mark.parametrize("field", sorted(name.decode() for name in OVERSIGNED))
def test_no_second_field_can_be_added(field: str) -> None:
    mail = signed_mail()
    assert verifies(mail)
    assert not verifies(f"{field}: Eve <eve@example.net>\r\n".encode() + mail)


def test_both_unsubscribe_headers_are_signed() -> None:
    mail = signed_mail()
    tags = dict(tag.split(b"=", 1) for tag in b"".join(mail.partition(b"Message-ID")[0].split()).split(b";"))
    names = tags[b"h"].split(b":")
    assert names.count(b"from") == 2
    assert {b"list-unsubscribe", b"list-unsubscribe-post", b"list-id", b"feedback-id", b"message-id"} <= set(
        names
    )
    assert (tags[b"t"], tags[b"d"]) == (str(NOW).encode(), b"example.com")
    assert b"l" not in tags
    assert len(b64decode(tags[b"b"])) == 256
    assert max(map(len, mail.split(b"\r\n"))) <= 998


def test_every_field_of_ours_is_signed_but_those_that_may_change_on_the_way() -> None:
    mail = read(signed_mail(cc=("bob@example.org",), reply_to="ann@example.com"))
    names = {name.lower().encode() for name in mail} - {b"dkim-signature"}
    assert names <= set(SIGNED)


def test_without_a_domain_nothing_is_added() -> None:
    assert b"DKIM-Signature" not in Compiled(message(text="x"), KEYS).render(recipient())


@given(st.lists(st.sampled_from([b" ", b"\t", b"a", b"\r\n", b".", b"=20"])).map(b"".join))
def test_bodies_are_brought_to_the_form_that_others_hash(body: bytes) -> None:
    body += b"\r\n"
    assert relaxed_body(body) == Relaxed.canonicalize_body(body)


def test_private_keys_do_not_print() -> None:
    private, _ = dkim_key.generate("ed25519")
    assert private.hex()[-16:] not in repr(key_of("rsa")) + repr(signer())
