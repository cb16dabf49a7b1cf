"""Whether a person did it, by what a request says of itself."""

from __future__ import annotations

import pytest

from courierx_core.tracking.model import is_machine

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0"
PEOPLE = (
    CHROME,
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.12.0",
    "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
    "Mozilla/5.0 (Linux; Android 14; Cubot X30) AppleWebKit/537.36 Chrome/125.0 Mobile Safari/537.36",
)  # fmt: skip
MACHINES = (
    "", "Mozilla/5.0", "curl/8.5.0", "python-requests/2.32", "Go-http-client/2.0",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "BarracudaCentral/1.0",
    "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/126.0", "WhatsApp/2.23 preview",
)  # fmt: skip


@pytest.mark.parametrize("agent", PEOPLE)
def test_a_person(agent: str) -> None:
    assert not is_machine("GET", {"user-agent": agent, "accept": "*/*", "purpose": "visit"})


@pytest.mark.parametrize("agent", MACHINES)
def test_a_machine_by_its_name(agent: str) -> None:
    assert is_machine("GET", {"user-agent": agent})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sec-purpose", "prefetch;prerender"), ("purpose", "Prefetch"), ("x-moz", "prefetch"),
        ("x-purpose", "preview"),
    ],
)  # fmt: skip
def test_a_browser_that_looks_ahead(name: str, value: str) -> None:
    assert is_machine("GET", {"user-agent": CHROME, name: value})
    assert not is_machine("GET", {"user-agent": CHROME, "x-other": value})


def test_a_look_at_the_headers_alone() -> None:
    assert is_machine("HEAD", {"user-agent": CHROME})
