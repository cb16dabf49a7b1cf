"""Rendering one message per recipient, in processor time.

The message is a campaign's: text and HTML of 5 KB in all, 8 tracked links, open pixel, one-click unsubscribe,
VERP return path, send id. The ways take turns, and the best of each counts: the machine may have other work.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from courierx_core.delivery.feed import BATCH
from courierx_core.mail.token import TokenKeys
from courierx_core.messages.compile import Compiled
from courierx_core.messages.links import collect_links
from courierx_core.messages.model import Content, Message, Recipient
from courierx_core.ports.driver import utcnow
from tests.benchmarks import signing
from tests.benchmarks.figures import Figures, rounded

ROUNDS = 7
PARAGRAPH = (
    '<tr><td style="padding:8px;font-family:Arial,sans-serif">We have news about {topic} for you, and a '
    'few things that may be worth a look. <a href="https://shop.example.com/{topic}?campaign=may&amp;'
    'id={n}">Read on</a></td></tr>\n'
)
TOPICS = ("shoes", "hats", "coats", "socks", "gloves", "belts", "scarves", "bags")
HTML = (
    '<html><head><meta charset="utf-8"><title>News</title></head><body>\n<p>Dear {{ first_name }} '
    "{{ last_name }} from {{ city }},</p>\n<table>\n"
    + "".join(PARAGRAPH.format(topic=topic, n=n) for n, topic in enumerate(TOPICS))
    + "</table>\n"
    + "<p>Thank you for reading all of this, it means a lot to the whole team.</p>\n" * 16
    + '<p>Sent to {{ email }}. <a href="{{ unsubscribe_url }}">Unsubscribe</a></p>\n</body></html>\n'
)
TEXT = (
    "Dear {{ first_name }} {{ last_name }} from {{ city }},\n\n"
    + "We have news for you, and a few things that may be worth a look.\n" * 10
    + "\nUnsubscribe: {{ unsubscribe_url }}\n"
)
LOGIC = '{% if plan == "gold" %}Thank you for being a gold member!{% else %}Join us.{% endif %}\n'


def message(extra: str = "") -> Message:
    html = HTML.replace("</table>", extra + "</table>")
    content = Content(
        from_email="news@example.com",
        from_name="Example News",
        subject="News for you, {{ first_name }}",
        html=html,
        text=TEXT + extra,
        track_opens=True,
        track_clicks=True,
        public_url="https://mail.example.com",
        return_path="bounces.example.com",
        links=collect_links(html),
    )
    return Message(id=1, tenant_id=1, campaign_id=1, stream="broadcast", transport="smtp", content=content)


def recipients(number: int) -> list[Recipient]:
    names = [
        ("Ann", "Smith", "Bern"),
        ("Jürgen", "Müller", "Zürich"),
        ("Mary Jo", "O'Neil", "New York"),
        ("Ben", "Li", "Rome"),
    ]
    return [
        Recipient(
            1_000_000 + n, 1, f"user{n}@example.org", "queued", 0, first, last,
            {"city": city, "plan": "gold" if n % 2 else "free"},
        )
        for n in range(number)
        for first, last, city in (names[n % len(names)],)
    ]  # fmt: skip


def textbook(compiled: Compiled) -> Callable[[Recipient], bytes]:
    """Return the usual way: an `EmailMessage` for each recipient, from values that are rendered already."""
    fields = compiled.fields(recipients(1)[0])

    def render(recipient: Recipient) -> bytes:
        mail = EmailMessage()
        mail["From"] = "Example News <news@example.com>"
        mail["To"] = recipient.address
        mail["Subject"] = fields.subject
        mail["Date"] = format_datetime(utcnow())
        mail["Message-ID"] = make_msgid(domain="example.com")
        for name, value in fields.headers:
            mail[name] = value
        mail.set_content(fields.text)
        mail.add_alternative(fields.html, subtype="html")
        return mail.as_bytes()

    return render


def one_by_one(render: Callable[[Recipient], object]) -> Callable[[list[Recipient]], object]:
    def every(some: list[Recipient]) -> None:
        for recipient in some:
            render(recipient)

    return every


def in_batches(compiled: Compiled) -> Callable[[list[Recipient]], object]:
    """Return the way a sender does it: a few envelopes ahead of what it hands over."""

    def every(some: list[Recipient]) -> None:
        for at in range(0, len(some), BATCH):
            compiled.envelopes(some[at : at + BATCH])

    return every


def compare(number: int) -> dict[str, Figures]:
    """Return microseconds a message, and how often each way fits into one `EmailMessage.as_bytes`."""
    keys = TokenKeys(["benchmark"])
    segments, logic = Compiled(message(), keys), Compiled(message(LOGIC), keys)
    assert (segments.path, logic.path) == ("segments", "logic")
    ways: dict[str, Callable[[list[Recipient]], object]] = {
        "email_message": one_by_one(textbook(segments)),
        "segments": one_by_one(segments.render),
        "segments_envelopes": in_batches(segments),
        "logic": one_by_one(logic.render),
    }
    everyone = recipients(number)
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, render in ways.items():
            some = everyone[: max(1, number // 7)] if name == "email_message" else everyone
            started = time.process_time()
            render(some)
            best[name] = min(best[name], (time.process_time() - started) / len(some) * 1e6)
    return {
        "cpu_us": {name: rounded(value) for name, value in best.items()},
        "x_email_message": {name: rounded(best["email_message"] / value) for name, value in best.items()},
        **signing.compare(segments.render(everyone[0]), number),
    }
