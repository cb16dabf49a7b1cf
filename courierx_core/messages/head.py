"""The header block of a message as pieces: most fields written once, a few left as holes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from email.utils import format_datetime

from courierx_core.mail.address import Address, address_field, split_address
from courierx_core.mail.header import LINE, one_line, unstructured
from courierx_core.mail.mime import Pieces
from courierx_core.messages.headers import ONE_CLICK, SEND_ID, stream_headers
from courierx_core.messages.model import Message, Recipient
from courierx_core.messages.parts import Part
from courierx_core.messages.segments import Extra, Read
from courierx_core.messages.skeleton import Skeleton

Clock = Callable[[], float]


def head(
    message: Message,
    sender: Address,
    subject: Part,
    skeleton: Skeleton,
    *,
    unsubscribe: Pieces,
    is_one_click: bool,
    clock: Clock,
) -> Pieces:
    """Return every field but the MIME ones; `unsubscribe` is what List-Unsubscribe says, empty for none."""
    content = message.content
    start, holes = skeleton.token("send")
    pieces: list[bytes | int] = [f"Message-ID: <{start}".encode("ascii"), *holes]
    pieces += (f"@{sender.domain}>\r\nDate: ".encode("ascii"), skeleton.value(_date(clock), _ascii), b"\r\n")
    pieces.append(address_field("From", (sender,)))
    if content.to:
        pieces.append(address_field("To", map(split_address, content.to)))
    else:
        pieces += (b"To: ", skeleton.value(_addresses, _to), b"\r\n")
    if content.cc:
        pieces.append(address_field("Cc", map(split_address, content.cc)))
    if content.reply_to:
        pieces.append(address_field("Reply-To", (split_address(content.reply_to),)))
    pieces += _subject(subject, skeleton)
    if unsubscribe:
        pieces += (b"List-Unsubscribe: ", *unsubscribe, b"\r\n")
    if is_one_click:
        pieces.append(unstructured("List-Unsubscribe-Post", ONE_CLICK))
    pieces += (f"{SEND_ID}: {start}".encode("ascii"), *holes, b"\r\n")
    fixed = (*stream_headers(message, sender.domain), *content.headers)
    return (*pieces, *(unstructured(name, value) for name, value in fixed), b"MIME-Version: 1.0\r\n")


def _subject(part: Part, skeleton: Skeleton) -> Pieces:
    if part.fixed is not None:
        return (unstructured("Subject", part.fixed),)
    if part.segments is not None:
        return (b"Subject: ", skeleton.value(part.texts_of(), _subject_value), b"\r\n")

    def write_late(known: Mapping[str, object]) -> Sequence[bytes]:
        return (_subject_value(part.render(known)),)

    return (b"Subject: ", *skeleton.late(write_late, 1), b"\r\n")


def _subject_value(value: object) -> bytes:
    text, before = str(value), len("Subject: ")
    if len(text) <= LINE - before and text.isascii() and text.isprintable() and "=?" not in text:
        return text.strip(" ").encode("ascii")
    return unstructured("Subject", text)[before : -len("\r\n")]


def _addresses(recipients: Sequence[Recipient], extra: Extra) -> list[object]:
    return [each.address for each in recipients]


def _to(address: object) -> bytes:
    text = str(address)
    if text.isascii() and text.isprintable():
        return text.encode("ascii")
    return address_field("To", (Address("", one_line(text)),))[len("To: ") : -len("\r\n")]


def _ascii(value: object) -> bytes:
    return str(value).encode("ascii")


def _date(clock: Clock) -> Read:
    """Return what gives the Date field: UTC, made anew once a second."""
    last = (-1, "")

    def read(recipients: Sequence[Recipient], extra: Extra) -> list[object]:
        nonlocal last
        now, (second, text) = int(clock()), last
        if now != second:
            text = format_datetime(datetime.fromtimestamp(now, timezone.utc))
            last = (now, text)
        return [text] * len(recipients)

    return read
