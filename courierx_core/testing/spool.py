"""The append-only file of a test server: one line for each message and recipient, written before the 250.

A line is one `write` on an O_APPEND descriptor: whole in the page cache, or absent, whoever is killed.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

Keep: TypeAlias = Literal["none", "digest", "whole"]
_HEADER = b"x-courierx-send-id:"


class ReceivedMessage(msgspec.Struct, frozen=True):
    """One copy taken for one recipient. `content` is unstuffed, and empty unless whole messages are kept."""

    recipient: str
    send_id: str
    sender: str
    size: int
    digest: str = ""
    content: bytes = b""


class Spool:
    """The writing end."""

    def __init__(self, path: Path, keep: Keep = "none", *, fsync: bool = False) -> None:
        self._keep = keep
        self._fsync = fsync
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def add(self, sender: bytes, recipients: list[bytes], stuffed: bytes) -> None:
        """Store one message, as it came off the wire without its final dot, durably for this machine."""
        tail = b""
        if self._keep != "none":
            content = unstuff(stuffed)
            tail = hashlib.sha256(content).hexdigest().encode()
            if self._keep == "whole":
                tail += b"\t" + base64.b64encode(content)
        head = b"\t%b\t%b\t%d\t%b\n" % (send_id_of(stuffed), sender, len(stuffed), tail)
        os.write(self._descriptor, b"".join([recipient + head for recipient in recipients]))
        if self._fsync:
            os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def read_spool(path: Path) -> list[ReceivedMessage]:
    """Read what has been stored so far; a missing file is an empty one."""
    if not path.exists():
        return []
    found = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        recipient, send_id, sender, size, digest, *content = line.split(b"\t")
        found.append(
            ReceivedMessage(
                recipient.decode(),
                send_id.decode(),
                sender.decode(),
                int(size),
                digest.decode(),
                base64.b64decode(content[0]) if content else b"",
            )
        )
    return found


def duplicates(messages: list[ReceivedMessage]) -> dict[tuple[str, str], int]:
    """Count the (recipient, send id) pairs that arrived more than once."""
    counts = Counter((message.recipient, message.send_id) for message in messages)
    return {pair: count for pair, count in counts.items() if count > 1}


def send_id_of(message: bytes) -> bytes:
    """Find the header X-CourierX-Send-ID in any case; b'' when there is none."""
    at = message.find(b"\nX-CourierX-Send-ID:")
    if at < 0:
        head, _, _ = message.partition(b"\r\n\r\n")
        at = (b"\n" + head.lower()).find(b"\n" + _HEADER) - 1
        if at < -1:
            return b""
    start = at + 1 + len(_HEADER)
    return message[start : message.find(b"\r\n", start)].strip().replace(b"\t", b" ")


def unstuff(content: bytes) -> bytes:
    """Take the extra dot from each line that begins with one (RFC 5321 section 4.5.2)."""
    if b"\n." not in content and content[:1] != b".":
        return content
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n")[2:]
