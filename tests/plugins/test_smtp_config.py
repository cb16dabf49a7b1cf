"""SMTP_URL, and what is said about a wrong one."""

from __future__ import annotations

import msgspec
import pytest

from courierx_core.ports.driver import Secret
from courierx_smtp.config import SmtpConfig, parse_url


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("smtp://mail.example.org", ("mail.example.org", 587, "required", "", "")),
        ("smtp://mail.example.org:25?starttls=never", ("mail.example.org", 25, "never", "", "")),
        ("smtp://mail.example?starttls=opportunistic", ("mail.example", 587, "opportunistic", "", "")),
        ("smtps://mail.example.org", ("mail.example.org", 465, "implicit", "", "")),
        ("smtp://localhost:1025", ("localhost", 1025, "never", "", "")),
        ("smtp://127.0.0.1:1025?starttls=required", ("127.0.0.1", 1025, "required", "", "")),
        ("smtp://[::1]:1025", ("::1", 1025, "never", "", "")),
        ("smtp://us%40er:p%3Aw%2F@h.example", ("h.example", 587, "required", "us@er", "p:w/")),
    ],
)
def test_urls(url: str, wanted: tuple[str, int, str, str, str]) -> None:
    server = parse_url(Secret(url))
    assert (server.host, server.port, server.tls, server.user, server.password.reveal()) == wanted


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.org:25",
        "http://hunter2@mail.example.org",
        "smtp://:hunter2@",
        "smtp://user:hunter2@mail.example.org:port",
        "smtp://user:hunter2@mail.example.org?starttls=maybe",
        "smtp://user:hunter2@mail.example.org?tls=1",
        "smtps://user:hunter2@mail.example.org?starttls=never",
    ],
)
def test_wrong_urls_are_refused_without_showing_them(url: str) -> None:
    with pytest.raises(ValueError, match=r"SMTP URL|smtps URL") as error:
        SmtpConfig(url=Secret(url))
    assert "hunter2" not in str(error.value)


def test_bounds_are_kept() -> None:
    for wrong in ({"max_concurrency": 0}, {"per_second": -1}, {"final_seconds": 0}):
        table = {"url": "smtp://localhost", **wrong}
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(table, SmtpConfig, dec_hook=lambda kind, value: kind(value))


def test_a_helo_name_with_a_line_end_is_refused() -> None:
    with pytest.raises(ValueError, match="helo"):
        SmtpConfig(url=Secret("smtp://localhost"), helo="a\r\nMAIL FROM:<x>")
