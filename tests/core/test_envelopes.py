"""Envelopes made many at once: each is what it is alone."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from courierx_core.mail.wire import on_the_wire
from courierx_core.messages.compile import Compiled
from tests.messages import KEYS, message, recipient

# What stands for itself in a text, in HTML and in a header, and what nearly does.
NEARLY = [
    "Ann",
    "New York",
    "O'Neil",
    " Ann",
    "Ann ",
    ".",
    "From me",
    "a\nb",
    "\r",
    "ü",
    "=",
    "",
    "7",
    "x" * 80,
]
WORDS = st.sampled_from(NEARLY) | st.text(max_size=90)
TEXT = "Dear {{ first_name }},\n.{{ attributes.note }}\n{{ note }}{{ last_name }}\nFrom {{ email }}\n"
HTML = "<p title='{{ note }}'>Dear {{ first_name|default('friend') }}</p>{{ last_name|upper }}\n"
LOGIC = "{% if true %}{% endif %}"
"""Makes any template a program, and renders nothing."""


@pytest.mark.parametrize("before", ["", LOGIC], ids=["segments", "logic"])
@given(st.lists(st.tuples(WORDS, WORDS, WORDS | st.integers() | st.none()), min_size=1, max_size=6))
@example([("Ann", "Lee", "Oslo"), ("Bob", "a\nb", "Rome")])
def test_many_at_once_are_what_each_is_alone(
    before: str, people: list[tuple[str, str, str | int | None]]
) -> None:
    everyone = [
        recipient(id=n, first_name=first, last_name=last, attributes={"note": note})
        for n, (first, last, note) in enumerate(people, 1)
    ]
    subject = before + "Hi {{ first_name }} {{ note }}"
    source = message(subject=subject, text=before + TEXT, html=HTML, return_path="b.example.com")
    compiled = Compiled(source, KEYS, clock=lambda: 1_700_000_000.0)
    made = compiled.envelopes(everyone)
    assert [each.mime() for each in made] == [compiled.render(who) for who in everyone]
    assert [each.wire() for each in made] == [on_the_wire(each.mime()) for each in made]
    assert [each.rcpt_to for each in made] == [who.address for who in everyone]
    assert [each.mail_from for each in made] == [compiled.mail_from(who) for who in everyone]
    assert [each.send_id for each in made] == [compiled.send_id(who) for who in everyone]


@pytest.mark.parametrize("eager", [True, False])
def test_the_envelope_carries_what_transports_need(eager: bool) -> None:
    source = message(text="{{ first_name }}", tags=("a",), metadata={"k": "v"}, return_path="r.example.com")
    compiled = Compiled(source, KEYS, clock=lambda: 0)
    who = recipient(first_name="Ann")
    [envelope] = compiled.envelopes([who], eager=eager)
    assert envelope.mime() == compiled.render(who)
    assert envelope.fields() == compiled.fields(who)
    assert envelope.send_id == compiled.send_id(who)
    assert envelope.mail_from == compiled.mail_from(who)
    assert (envelope.id, envelope.tenant_id, envelope.stream) == (5, 7, "broadcast")
    assert (envelope.rcpt_to, envelope.tags, envelope.metadata) == ("ann@example.org", ("a",), {"k": "v"})
    assert Compiled(message(text="x"), KEYS).mail_from(who) == "news@example.com"
