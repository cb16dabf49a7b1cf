"""The body of a message as pieces: texts encoded once around the holes, files, MIME structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from courierx_core.mail import mime
from courierx_core.mail.mime import Pieces
from courierx_core.mail.quoted_printable import SOFT_BREAK, encode, seven_bit, whole_lines
from courierx_core.messages.parts import Part, Url, Value
from courierx_core.messages.skeleton import Skeleton
from courierx_core.ports.transport import Attachment


def body(text: Part | None, html: Part | None, files: Sequence[Attachment], skeleton: Skeleton) -> Pieces:
    """Return the MIME headers, the empty line and the body. A part that is None is not sent."""
    is_whole = not files and (text is None or html is None)
    entities = [
        (file.content_id, mime.file(file.filename, file.content_type, file.content, file.content_id))
        for file in files
    ]
    whole = mime.mail(
        _text(text, "plain", skeleton, is_whole) if text else None,
        _text(html, "html", skeleton, is_whole) if html else None,
        [entity for content_id, entity in entities if content_id],
        [entity for content_id, entity in entities if not content_id],
        mime.new_boundary(),
    )
    return (*whole.head, b"\r\n", *whole.body)


def _text(part: Part, subtype: str, skeleton: Skeleton, is_whole: bool) -> mime.Entity:
    if part.fixed is not None:
        encoding, data = _transfer(part.fixed, is_whole)
        return mime.text(subtype, (encoding,), (data,))
    if part.segments is not None:
        return mime.text(subtype, (b"quoted-printable",), _woven(part, skeleton))

    def write(known: Mapping[str, object]) -> Sequence[bytes]:
        return _transfer(part.render(known), is_whole)

    encoding_hole, data_hole = skeleton.late(write, 2)
    return mime.text(subtype, (encoding_hole,), (data_hole,))


def _transfer(text: str, is_whole: bool) -> tuple[bytes, bytes]:
    """Return encoding and data; a text that is the `is_whole` body ends its last line."""
    data = seven_bit(text)
    if data is not None:
        return b"7bit", data if not is_whole or data.endswith(b"\r\n") else data + b"\r\n"
    return b"quoted-printable", whole_lines(text) if is_whole else encode(text)


def _woven(part: Part, skeleton: Skeleton) -> Pieces:
    """Encode the fixed text between the holes; what fills a hole starts a line and ends it softly."""
    late = {logic: skeleton.late(logic.write, logic.count) for logic in part.logic}
    pieces: list[bytes | int] = []
    known: dict[Value, int] = {}
    text = ""
    for segment in part.segments or ():
        holes: Pieces
        if isinstance(segment, str):
            text += segment
            continue
        if isinstance(segment, Url):
            start, tokens = skeleton.token(segment.kind, segment.link)
            text += segment.prefix + start
            holes = (*tokens, SOFT_BREAK)
        elif isinstance(segment, Value):
            if segment not in known:
                known[segment] = skeleton.value(segment.read, part.bytes_of(segment))
            holes = (known[segment], SOFT_BREAK)
        else:
            holes = (late[segment.logic][segment.place],)
        pieces += (whole_lines(text), *holes)
        text = ""
    return (*pieces, whole_lines(text))
