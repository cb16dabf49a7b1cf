"""MIME pieces against the standard library's parser."""

from __future__ import annotations

import re
from binascii import a2b_qp
from collections.abc import Iterable
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from courierx_core.mail import mime
from courierx_core.mail.header import encoded_words, one_line, unstructured
from courierx_core.mail.quoted_printable import LINE, SOFT_BREAK, encode, seven_bit, whole_lines
from courierx_core.mail.status import parse_status

TEXTS = st.text(max_size=400) | st.text(alphabet=". =\r\n\tFrom\u2028ü€", max_size=400)
WORDS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=200)


def join(entity: mime.Entity) -> bytes:
    return b"".join(piece for piece in (*entity.head, b"\r\n", *entity.body) if isinstance(piece, bytes))


def parse(raw: bytes) -> EmailMessage:
    assert raw.isascii()
    lines = raw.split(b"\r\n")
    assert all(len(line) <= 998 and b"\r" not in line and b"\n" not in line for line in lines)
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert not part.defects
    return message


def line_feeds(text: str) -> bytes:
    return text.encode("utf-8", "replace").replace(b"\r\n", b"\n").replace(b"\r", b"\n")


@given(TEXTS)
@example("." * 400)
@example("From " * 100)
@example("=." * 200)
@example(" " * 400)
@example(".\r\n")
@example("CRLF\r\n.\r\nMAIL FROM:<x@y.com>\r\n")
@example("x\ud800y")
def test_quoted_printable_decodes_to_the_text(text: str) -> None:
    data = encode(text)
    assert a2b_qp(data.replace(b"\r\n", b"\n")) == line_feeds(text)
    for line in data.split(b"\r\n"):
        assert len(line) <= LINE + 1
        assert not line.startswith((b".", b"From "))
        assert not line.endswith((b" ", b"\t"))
        assert re.fullmatch(rb"(?:[\t -<>-~]|=[0-9A-F]{2})*=?", line)


@given(st.lists(TEXTS, max_size=5))
def test_encoded_texts_stand_end_to_end(texts: list[str]) -> None:
    data = b"".join(encode(text) + SOFT_BREAK for text in texts)
    assert a2b_qp(data.replace(b"\r\n", b"\n")) == b"".join(map(line_feeds, texts))


@given(st.lists(TEXTS, max_size=5))
@example(["a ", "=20", "\t", "b\n", ""])
def test_whole_lines_end_where_the_next_begin(texts: list[str]) -> None:
    written = [whole_lines(text) for text in texts]
    assert all(data == b"" or data.endswith(b"\r\n") for data in written)
    assert all(len(line) <= LINE + 1 for data in written for line in data.split(b"\r\n"))
    assert a2b_qp(b"".join(written).replace(b"\r\n", b"\n")) == b"".join(map(line_feeds, texts))


@given(TEXTS)
@example("a\nb")
@example("x" * 998)
def test_seven_bit_is_the_text_itself_or_nothing(text: str) -> None:
    data = seven_bit(text)
    if data is None:
        lines = line_feeds(text).split(b"\n")
        assert (
            not text.isascii()
            or re.search(rb"[^\t\n -~]", line_feeds(text))
            or any(len(line) > 998 or line.startswith((b".", b"From ")) for line in lines)
        )
    else:
        assert data.replace(b"\r\n", b"\n") == line_feeds(text)
        assert b"\n" not in data.replace(b"\r\n", b"")


def test_a_line_of_999_is_not_seven_bit() -> None:
    assert seven_bit("x" * 998) is not None
    assert seven_bit("x" * 999) is None


@given(TEXTS | WORDS, st.sampled_from(["Subject", "X-" + "Long" * 10]))
@example("word " * 60, "Subject")
@example("x" * 2000, "Subject")
@example("=?utf-8?q?not=20me?=", "Subject")
@example("é" * 300, "Subject")
@example("a\r\nBcc: eve@example.com", "Subject")
@example("a\u2028b\0c\x85d", "Subject")
def test_any_text_reads_back_from_a_header(text: str, name: str) -> None:
    raw = unstructured(name, text)
    assert raw.endswith(b"\r\n")
    message = parse(raw + b"X-End: 1\r\n\r\n")
    assert message.keys() == [name, "X-End"]
    assert one_line(message[name]) == one_line(text)
    for line in raw.split(b"\r\n"):
        if b"=?" in line:
            assert len(line) <= 76 or b" " not in line.strip()


@given(st.text(min_size=1, max_size=200))
def test_encoded_words_are_short_and_whole(text: str) -> None:
    text = one_line(text) or "x"
    words = encoded_words(text, room=40)
    assert len(words[0]) <= 40
    assert all(len(word) <= 75 for word in words)
    raw = f"Subject: {' '.join(words)}\r\n\r\n".encode("ascii")
    assert message_from_bytes(raw, policy=policy.default)["subject"] == text


@given(st.text(max_size=120))
@example("../../etc/passwd")
@example('a"b\\c.pdf')
@example("Rechnung März 2026 – Müller & Söhne – " * 3 + ".pdf")
@example("x" * 150 + ".pdf")
@example("a\r\nContent-Type: text/html")
def test_any_file_name_reads_back(name: str) -> None:
    part = parse(join(mime.file(name, "application/pdf", b"%PDF")))
    assert part.get_content_type() == "application/pdf"
    wanted = re.sub(r'[/\\<>"]', "_", one_line(name)).strip()
    assert (part.get_filename() or "") == wanted
    assert part.get_content_disposition() == "attachment"
    assert part.get_content() == b"%PDF"
    assert "/" not in (part.get_filename() or "")


@pytest.mark.parametrize(
    ("given_type", "sent"),
    [
        ("image/png", "image/png"),
        ("text/calendar; method=REQUEST", "text/calendar"),
        ("message/rfc822", "application/octet-stream"),
        ("multipart/mixed; boundary=x", "application/octet-stream"),
        ("nonsense", "application/octet-stream"),
        ("image/png\r\nBcc: eve@example.com", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_content_types_are_checked(given_type: str, sent: str) -> None:
    part = parse(join(mime.file("f", given_type, b"\0\xff" * 200)))
    assert part.get_content_type() == sent
    assert part.get_payload(decode=True) == b"\0\xff" * 200
    assert part["bcc"] is None


def test_parameters_of_a_content_type_are_kept() -> None:
    part = parse(join(mime.file("f", 'text/calendar; method=REQUEST; charset="utf-8"', b"x")))
    assert part.get_param("method") == "REQUEST"


def structure(message: EmailMessage) -> object:
    if message.is_multipart():
        kinds: Iterable[EmailMessage] = message.iter_parts()  # type: ignore[assignment]
        return (message.get_content_subtype(), [structure(part) for part in kinds])
    return message.get_content_type()


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ("t", "text/plain"),
        ("h", "text/html"),
        ("th", ("alternative", ["text/plain", "text/html"])),
        ("hi", ("related", ["text/html", "image/png"])),
        ("thi", ("alternative", ["text/plain", ("related", ["text/html", "image/png"])])),
        ("tha", ("mixed", [("alternative", ["text/plain", "text/html"]), "application/pdf"])),
        ("ta", ("mixed", ["text/plain", "application/pdf"])),
        ("ti", ("mixed", ["text/plain", "image/png"])),
        (
            "thia",
            (
                "mixed",
                [
                    ("alternative", ["text/plain", ("related", ["text/html", "image/png"])]),
                    "application/pdf",
                ],
            ),
        ),
    ],
)
def test_structures(parts: str, expected: object) -> None:
    entity = mime.mail(
        mime.text("plain", (b"7bit",), (b"text\r\n",)) if "t" in parts else None,
        mime.text("html", (b"7bit",), (b"<p>\r\n",)) if "h" in parts else None,
        [mime.file("i.png", "image/png", b"png", "<logo>")] if "i" in parts else [],
        [mime.file("a.pdf", "application/pdf", b"pdf")] if "a" in parts else [],
        mime.new_boundary(),
    )
    message = parse(b"MIME-Version: 1.0\r\n" + join(entity))
    assert structure(message) == expected
    inline = [part for part in message.walk() if part.get_content_type() == "image/png"]
    for part in inline:
        assert part["content-id"] == "<logo>"
        assert part.get_content_disposition() == "inline"


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("550 5.1.1 user unknown", "5.1.1"),
        ("550-5.7.26 unauthenticated", "5.7.26"),
        ("5.2.2 mailbox full", "5.2.2"),
        ("421 #4.7.0 later", "4.7.0"),
        ("250 2.0.0 Ok: queued", "2.0.0"),
        ("550 user unknown (5.1.1)", ""),
        ("550 5.1.1.1 blocked", ""),
        ("554 5.6.1.7.8", ""),
        ("550 3.1.1", ""),
        ("", ""),
    ],
)
def test_enhanced_status_codes(reply: str, status: str) -> None:
    assert parse_status(reply) == status
