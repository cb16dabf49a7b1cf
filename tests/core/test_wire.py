"""The form that SMTP carries: what a short look at the values promises must hold for the whole message."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from courierx_core.mail.wire import fits_a_line, is_ready, on_the_wire

TEXTS = st.text(alphabet=".\r\nx\0", max_size=4).map(str.encode)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=4), TEXTS)
@example([(b"a\r\n", b"")], b".b\r\n")
@example([(b"a\r\n", b"."), (b"\r\n", b"")], b"\r\n")
@example([(b"", b".")], b"a\r\n")
@example([(b"a\r", b"")], b"\n")
def test_pieces_and_values_that_are_called_ready_are(pairs: list[tuple[bytes, bytes]], last: bytes) -> None:
    pieces, values = [piece for piece, _ in pairs] + [last], [value for _, value in pairs]
    whole = b"".join(piece + value for piece, value in pairs) + last
    if is_ready(pieces) and fits_a_line(values):
        assert on_the_wire(whole) == whole


def test_ordinary_ones_are_called_ready() -> None:
    assert is_ready([b"To: ", b"\r\n\r\nDear ", b",\r\n"])
    assert fits_a_line([b"ann@example.org", b"", b"Ann"])
