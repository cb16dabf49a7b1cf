"""Addresses: one form for each, a clear refusal for the rest, and header text that reads back."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.errors import InvalidInput
from courierx_core.mail.address import (
    Address,
    address_field,
    mailbox,
    needs_smtputf8,
    normalise,
    read_address,
    split_address,
)
from courierx_core.mail.header import one_line

ADDRESSES = st.from_regex(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[a-z0-9]{1,9})?@[a-z0-9]{1,20}\.[a-z]{2,9}", fullmatch=True
)


@pytest.mark.parametrize(
    ("given_text", "form"),
    [
        ("  Ann.Smith@Example.COM ", "ann.smith@example.com"),
        ("ann@Exämple.com", "ann@xn--exmple-cua.com"),
        ("ann@fußball.example", "ann@xn--fuball-cta.example"),
        ("ann@ｅｘａｍｐｌｅ。com", "ann@example.com"),
        ("ann@例え.テスト", "ann@xn--r8jz45g.xn--zckzah"),
        ("Ännchen@example.com", "ännchen@example.com"),
        ("a+b'c=d@x-y.example", "a+b'c=d@x-y.example"),
        ("root@localhost", "root@localhost"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
)
def test_each_address_has_one_form(given_text: str, form: str) -> None:
    assert normalise(given_text) == form


@pytest.mark.parametrize(
    "text",
    [
        "", "ann", "@example.com", "ann@", "ann@@example.com", "ann@example", "ann@1.2.3.4",
        "a..b@example.com", ".a@example.com", "a.@example.com", "a b@example.com", '"a b"@example.com',
        "ann@exa mple.com", "ann@-x.com", "ann@x-.com", "ann@x..com", "ann@.com", "ann@x.com.",
        "ann@[127.0.0.1]", "ann@x_y.com", "a" * 65 + "@example.com", "ä" * 33 + "@example.com",
        "a@" + "b" * 64 + ".com", "a@" + ".".join(["b" * 60] * 5) + ".com", "a\r\nb@example.com",
        "ann@exa\r\nmple.com", "a\0@example.com", "a,b@example.com", "<ann@example.com>",
        "ann@example.com\r\nBcc: x@y.com", "a\u2028b@example.com", "\u0301@\u0301.com",
        "ann@x\u200dy.com", "\ud800@example.com",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        normalise(text, "to[3]")
    (problem,) = refused.value.problems
    assert (problem.field, problem.code) == ("to[3]", "invalid_email")
    assert text.strip()[:10].isascii() is False or repr(text[:10])[1:4] in problem.message


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_form_is_stable_and_within_the_limits(local: str, domain: str) -> None:
    try:
        form = normalise(f"{local}@{domain}.example")
    except InvalidInput:
        return
    assert normalise(form) == form
    name, _, host = form.rpartition("@")
    assert len(name.encode()) <= 64
    assert len(form.encode()) <= 254
    assert host.isascii()
    assert form == form.lower()
    assert form.isprintable()
    assert not set(form) & set(' "(),:;<>[\\]')


@given(ADDRESSES)
def test_ordinary_addresses_pass(address: str) -> None:
    assert normalise(address.upper()) == address
    assert not needs_smtputf8(address)


def test_a_local_part_in_another_script_is_flagged() -> None:
    assert needs_smtputf8(normalise("用户@例え.jp"))
    assert split_address("用户@example.com").needs_smtputf8


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ann@example.com", ""),
        ("<ann@example.com>", ""),
        ("Ann <ann@example.com>", "Ann"),
        ("Ann Smith<ANN@example.com>  ", "Ann Smith"),
        ('"Smith, \\"Ann\\"" <ann@example.com>', 'Smith, "Ann"'),
        ("=?utf-8?q?J=C3=BCrgen?= <ann@example.com>", "Jürgen"),
        ("=?x-no?q?J?= <ann@example.com>", "=?x-no?q?J?="),
        ("Jürgen <ann@example.com>", "Jürgen"),
        ("Ann\r\nBcc: eve@example.com <ann@example.com>", "Ann Bcc: eve@example.com"),
    ],
)
def test_names_are_split_off(text: str, name: str) -> None:
    assert split_address(text) == Address(name, "ann@example.com")


def test_objects_are_read_like_texts() -> None:
    assert read_address({"email": "A@example.com", "name": "Ann"}) == Address("Ann", "a@example.com")
    assert read_address({"email": "A@example.com"}) == Address("", "a@example.com")
    assert read_address("Ann <a@example.com>") == Address("Ann", "a@example.com")
    for wrong in ({}, {"email": 1}, {"email": "a@example.com", "name": ["Ann"]}):
        with pytest.raises(InvalidInput):
            read_address(wrong)


@given(st.text(max_size=300), ADDRESSES)
def test_any_name_reads_back_from_the_header(name: str, email: str) -> None:
    address = Address(name, email)
    raw = address_field("From", [address]) + b"\r\n"
    assert raw.isascii()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    parsed = message_from_bytes(raw, policy=policy.default)
    assert not parsed.defects
    (mailbox_read,) = parsed["from"].addresses
    assert mailbox_read.addr_spec == email
    assert split_address(mailbox(address)).email == email
    assert " ".join(name_in(raw).split()) == " ".join(one_line(name).split())


def name_in(raw: bytes) -> str:
    """Read a From's name by the older parser: the newer one puts spaces between encoded words (3.11)."""
    phrase, _ = parseaddr(re.sub(r"\r\n(?= )", "", raw.decode("ascii")).removeprefix("From: ").strip())
    return str(make_header(decode_header(phrase)))


@given(st.text(max_size=30))
def test_an_address_beyond_ascii_becomes_an_empty_group(name: str) -> None:
    raw = address_field("To", [Address(name, "用户@example.com")]) + b"\r\n"
    assert raw.isascii()
    parsed = message_from_bytes(raw, policy=policy.default)
    assert parsed["to"].addresses == ()
    assert "用户@example.com" in parsed["to"].groups[0].display_name.replace(" ", "")
