"""Custom headers: which a sender may add (SECURITY: S09)."""

from __future__ import annotations

import pytest

from courierx_core.errors import InvalidInput
from courierx_core.messages.headers import check_headers


@pytest.mark.parametrize(
    "name",
    [
        "From", "to", "Bcc", "CC", "Sender", "DKIM-Signature", "List-Id", "list-unsubscribe", "Received",
        "Subject", "Return-Path", "Content-Type", "MIME-Version", "X-CourierX-Send-ID", "Message-ID", "Date",
        "Reply-To", "", "X Y", "X:Y", "X\r\nBcc", "Ü", "X\0", "X" * 80,
    ],
)  # fmt: skip
def test_headers_of_our_own_and_bad_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_headers([("X-Ok", "fine"), (name, "value")])
    assert [problem.field for problem in refused.value.problems] == ["headers[1]"]


@pytest.mark.parametrize("value", ["a\r\nBcc: x", "a\nb", "a\rb", "a\0b", "a\u2028b", "x" * 9000])
def test_header_values_are_one_line(value: str) -> None:
    with pytest.raises(InvalidInput):
        check_headers([("X-Note", value)])


def test_good_headers_pass() -> None:
    check_headers(
        [("X-Priority", "1"), ("Precedence", "bulk"), ("X-Note", "Grüße"), ("!#$%&'*+-.^_`|~9", " ")]
    )
