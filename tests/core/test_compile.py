"""Compiled messages: whatever anybody writes in any field, one clean mail that says just that."""

from __future__ import annotations

import re
from email import message_from_bytes
from html import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from courierx_core.errors import InvalidInput, RenderError
from courierx_core.mail.header import one_line
from courierx_core.mail.wire import on_the_wire
from courierx_core.messages.compile import Compiled
from courierx_core.messages.links import collect_links
from courierx_core.ports.transport import Attachment
from tests.messages import KEYS, content, message, read, recipient

NASTY = [
    ".", ".\r\n", "\r\n.\r\nMAIL FROM:<eve@example.com>", "From me", "\nFrom me", "=", "=3D", "a=\r\nb",
    " ", "\t",
    "trailing \n", "\r", "\n", "\0", "\u2028", "\u2029x", "\x85", "\ud800", "é", "日本語" * 40, "שלום עולם",
    "👩‍👩‍👧‍👦" * 9, "x" * 1200, "word " * 300, "." * 300, "From " * 90,
    "<b>&\"'</b>", "{{ 7*7 }}", "{% if %}",
    "a\r\nBcc: eve@example.com", "=?utf-8?q?=0D=0ABcc:_eve?=", "--boundary", "%s%b%", "", "0",
]  # fmt: skip
VALUES = st.sampled_from(NASTY) | st.text(max_size=150) | st.text(alphabet=".\r\n =FromX", max_size=150)


def as_read(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()
    return text.replace("\r\n", "\n").replace("\r", "\n")


PLAIN = (
    "Dear {{ first_name }},\n.{{ attributes.note }}\n{{ note }}{{ last_name }}\n\n{{ note }} \n"
    "From {{ email }}\n"
)
HTML = (
    "<p title='{{ note }}'>Dear {{ first_name|default('friend') }}</p>{{ last_name|upper }}\n"
    '.<a href="https://example.com/?a=1&amp;b=2">{{ note }}</a>\n'
    "<i>{{ tenant.name }}{{ missing.x }}</i></body>"
)
LOGIC = "{% if true %}{% endif %}"
"""Makes any template a program, and renders nothing."""


@given(VALUES, VALUES, VALUES)
@example(".\r\n", "\r\n.\r\nMAIL FROM:<eve@example.com>", ".")
def test_both_paths_say_what_was_written(first: str, last: str, note: str) -> None:
    who = recipient(first_name=first, last_name=last, attributes={"note": note})
    subject = "Hi {{ first_name }} {{ note }}"
    first, last, note = as_read(first), as_read(last), as_read(note)
    text = f"Dear {first},\n.{note}\n{note}{last}\n\n{note} \nFrom ann@example.org\n"
    html_text = (
        f"<p title='{_escaped(note)}'>Dear {_escaped(first) or 'friend'}</p>{_escaped(last.upper())}\n"
        f'.<a href="https://example.com/?a=1&amp;b=2">{_escaped(note)}</a>\n<i>A&amp;B</i></body>'
    )
    shared: dict[str, object] = {"variables": {"tenant": {"name": "A&B"}}}
    fast = Compiled(message(subject=subject, text=PLAIN, html=HTML, **shared), KEYS)
    slow = Compiled(message(subject=LOGIC + subject, text=LOGIC + PLAIN, html=LOGIC + HTML, **shared), KEYS)
    inside = Compiled(message(subject=subject, text=_inside(PLAIN), html=_inside(HTML), **shared), KEYS)
    assert (fast.path, slow.path, inside.path) == ("segments", "logic", "logic")
    for compiled in (fast, slow, inside):
        mail = read(compiled.render(who))
        [sent] = compiled.envelopes([who])
        assert sent.wire() == on_the_wire(sent.mime())
        assert one_line(str(mail["subject"])) == one_line(f"Hi {first} {note}")
        assert content(mail.get_body(("plain",))) == as_read(text)
        assert content(mail.get_body(("html",))) == as_read(html_text)
        assert mail["bcc"] is None
        fields = compiled.fields(who)
        assert as_read(fields.html) == as_read(html_text)
        assert as_read(fields.text) == as_read(text)
        assert fields.subject == one_line(f"Hi {first} {note}")


def _inside(source: str) -> str:
    """Put a whole template into a statement."""
    return f"{{% if true %}}{source}{{% endif %}}"


def _escaped(text: str) -> str:
    return escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


@given(VALUES)
def test_one_text_alone_is_exact_but_for_its_last_line_end(note: str) -> None:
    who = recipient(attributes={"note": note})
    for source in ("{{ note }}", LOGIC + "{{ note }}", _inside("{{ note }}")):
        for part in ("text", "html"):
            [envelope] = Compiled(message(**{part: source}), KEYS).envelopes([who])
            mail = read(envelope.mime())
            assert envelope.wire() == on_the_wire(envelope.mime())
            assert not mail.is_multipart()
            expected = as_read(note if part == "text" else _escaped(note))
            assert content(mail) in (expected, expected + "\n")


@given(VALUES, VALUES)
def test_fixed_texts_are_written_once_and_right(text: str, html: str) -> None:
    text, html = (re.sub(r"\{[{%#]", "", each) or "x" for each in (text, html))
    mail = read(Compiled(message(text=text, html=html), KEYS).render(recipient()))
    assert content(mail.get_body(("plain",))) == as_read(text)
    assert content(mail.get_body(("html",))) == as_read(html)


@given(VALUES, VALUES, VALUES)
def test_no_field_can_add_a_header(name: str, value: str, other: str) -> None:
    source = message(
        from_name=name,
        reply_to=f"{one_line(name).replace('<', '').replace('>', '')} <re@example.com>",
        cc=("Cc <cc@example.com>",),
        subject="{{ v }}",
        text="x",
        headers=(("X-Note", one_line(value)[:500]),),
        attachments=(Attachment(filename=other, content_type=value, content=b"\0\x80"),),
    )
    mail = read(Compiled(source, KEYS).render(recipient(attributes={"v": other})))
    assert mail.keys() == [
        "Message-ID", "Date", "From", "To", "Cc", "Reply-To", "Subject", "List-Unsubscribe",
        "List-Unsubscribe-Post", "X-CourierX-Send-ID", "Feedback-ID", "List-Id", "X-Note", "MIME-Version",
        "Content-Type",
    ]  # fmt: skip
    assert mail["from"].addresses[0].addr_spec == "news@example.com"
    assert mail["reply-to"].addresses[0].addr_spec == "re@example.com"
    (attached,) = mail.iter_attachments()
    assert attached.get_payload(decode=True) == b"\0\x80"


@given(st.text(max_size=60))
def test_an_address_from_the_store_cannot_break_the_header(address: str) -> None:
    raw = Compiled(message(text="x"), KEYS).render(recipient(address=f"{address}@example.com"))
    plain = Compiled(message(text="x"), KEYS).render(recipient())
    assert raw.isascii()
    assert names_of(raw) == names_of(plain)
    assert message_from_bytes(raw).get_payload() == "x\r\n"


def names_of(raw: bytes) -> list[str]:
    return message_from_bytes(raw).keys()


def test_the_headers_of_broadcast_mail() -> None:
    compiled = Compiled(message(text="x", return_path="bounce.example.net"), KEYS, clock=lambda: 0.5)
    mail = read(compiled.render(recipient()))
    send_id = compiled.send_id(recipient())
    assert mail["date"] == "Thu, 01 Jan 1970 00:00:00 +0000"
    assert mail["message-id"] == f"<{send_id}@example.com>"
    assert mail["x-courierx-send-id"] == send_id
    assert mail["to"] == "ann@example.org"
    assert mail["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert mail["feedback-id"] == "3:7:broadcast:courierx"
    assert mail["list-id"] == "<t7.example.com>"
    assert mail["auto-submitted"] is None
    link = re.fullmatch(r"<https://mail\.example\.com/u/([a-z2-7]+)>", mail["list-unsubscribe"])
    assert link
    token = KEYS.read(link[1])
    KEYS.verify(token, 7)
    assert (token.kind, token.delivery_id) == ("unsubscribe", 5)
    verp = re.fullmatch(r"b-([a-z2-7]+)@bounce\.example\.net", compiled.mail_from(recipient()))
    assert verp
    KEYS.verify(KEYS.read(verp[1]), 7)
    assert KEYS.read(verp[1]).kind == "verp"
    assert len(verp[0].partition("@")[0]) <= 64


def test_a_mail_unsubscribes_too_where_its_way_leads_to_us() -> None:
    source = message(
        text="x",
        public_url="https://m.example.com",
        return_path="bounce.example.net",
        unsubscribe_mail=True,
    )
    compiled = Compiled(source, KEYS)
    raw = compiled.render(recipient())
    folded = re.search(rb"\r\nList-Unsubscribe: (<[^>]+>),\r\n (<[^>]+>)\r\n", raw)
    assert folded is not None
    web, by_mail = (each.decode("ascii") for each in folded.groups())
    token = web.removeprefix("<https://m.example.com/u/").removesuffix(">")
    assert by_mail == f"<mailto:u-{token}@bounce.example.net?subject=unsubscribe>"
    KEYS.verify(KEYS.read(token), 7)
    assert KEYS.read(token).kind == "unsubscribe"
    assert read(raw)["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert dict(compiled.fields(recipient()).headers)["List-Unsubscribe"] == f"{web}, {by_mail}"
    own = Compiled(message(text="x", unsubscribe="https://own.example.com/u", unsubscribe_mail=True), KEYS)
    assert read(own.render(recipient()))["list-unsubscribe"] == "<https://own.example.com/u>"


@pytest.mark.parametrize(
    ("stream", "unsubscribe", "public_url", "header", "post"),
    [
        ("transactional", "", "https://m.example.com", None, None),
        ("transactional", "https://own.example.com/u", "https://m.example.com", None, None),
        ("broadcast", "none", "https://m.example.com", None, None),
        ("broadcast", "", "", None, None),
        ("broadcast", "mailto:off@example.com?subject=off", "", "<mailto:off@example.com?subject=off>", None),
        (
            "broadcast", "https://own.example.com/u?a=b", "https://m.example.com",
            "<https://own.example.com/u?a=b>", "List-Unsubscribe=One-Click",
        ),
        (
            "broadcast", "https://own.example.com/>\r\nBcc: x", "",
            "<https://own.example.com/%3E%20Bcc:%20x>", "List-Unsubscribe=One-Click",
        ),
    ],
)  # fmt: skip
def test_what_is_offered_to_unsubscribe(
    stream: str, unsubscribe: str, public_url: str, header: str | None, post: str | None
) -> None:
    source = message(
        stream,
        text="{{ unsubscribe_url }}{{ preferences_url }}",
        unsubscribe=unsubscribe,
        public_url=public_url,
    )
    compiled = Compiled(source, KEYS)
    mail = read(compiled.render(recipient()))
    assert mail["list-unsubscribe"] == header
    assert mail["list-unsubscribe-post"] == post
    assert (mail["auto-submitted"] == "auto-generated") is (stream == "transactional")
    assert (mail["list-id"] is None) is (stream == "transactional")
    assert content(mail).strip() == 2 * (header or "").strip("<>")
    assert dict(compiled.fields(recipient()).headers).get("List-Unsubscribe") == header


def test_an_unsubscribe_uri_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidInput, match="javascript"):
        Compiled(message(text="x", unsubscribe="javascript:alert(1)"), KEYS)


LINKS = """
<a href="https://example.com/one?x=1&amp;y=2">1</a> <A class="b" HREF='http://example.com/two'>2</A>
<a title="a > b" href=https://example.com/three>3</a> <a href="https://example.com/one?x=1&amp;y=2">1</a>
<a href="mailto:a@example.com">m</a> <a href="tel:1">t</a> <a href="#top">t</a> <a name="x">n</a>
<a href="https://example.com/{{ first_name }}">v</a> <a href="{{ unsubscribe_url }}">u</a>
<a data-href="https://example.com/data">d</a> <abbr href="https://example.com/abbr">a</abbr> <a href="https://broken
<link href="https://example.com/style.css"></body>
"""


@pytest.mark.parametrize("html", [LINKS, LOGIC + LINKS, f"{{% if true %}}{LINKS}{{% endif %}}"])
def test_links_and_opens_are_tracked(html: str) -> None:
    source = message(html=html, track_clicks=True, track_opens=True, links=collect_links(html))
    compiled = Compiled(source, KEYS)
    seen = content(read(compiled.render(recipient(first_name="Ann"))))
    tokens = [KEYS.read(text) for text in re.findall(r"https://mail\.example\.com/[cou]/([a-z2-7]+)", seen)]
    for token in tokens:
        KEYS.verify(token, 7)
        assert token.delivery_id == 5
    assert [(token.kind, token.link) for token in tokens] == [
        ("click", 0), ("click", 1), ("click", 2), ("click", 0), ("unsubscribe", 0), ("open", 0),
    ]  # fmt: skip
    assert re.search(r'<img src="https://mail\.example\.com/o/[^>]+></body>', seen)
    assert '<a href="https://example.com/Ann">' in seen
    assert '<a data-href="https://example.com/data">' in seen
    assert "https://example.com/style.css" in seen
    assert compiled.fields(recipient(first_name="Ann")).html.strip() == seen.strip()


def test_nothing_is_tracked_without_a_public_url_or_unasked() -> None:
    links = collect_links(LINKS)
    for more in ({"public_url": "", "track_opens": True, "track_clicks": True}, {}):
        seen = content(read(Compiled(message(html=LINKS, links=links, **more), KEYS).render(recipient())))
        assert "/c/" not in seen
        assert "<img" not in seen
        assert 'href="https://example.com/one?x=1&amp;y=2"' in seen


@pytest.mark.parametrize("before", ["", LOGIC])
def test_a_layout_holds_the_html(before: str) -> None:
    layout = "<html><body>\n{{ content }}\n<a href='https://example.com/'>{{ first_name }}</a></body></html>"
    html = before + "<p>{{ first_name }}</p>"
    source = message(
        html=html, layout=layout, track_clicks=True, track_opens=True, links=collect_links(html, layout)
    )
    seen = content(read(Compiled(source, KEYS).render(recipient(first_name="<Ann>"))))
    assert re.fullmatch(
        r'<html><body>\n<p>&lt;Ann&gt;</p>\n<a href="https://mail\.example\.com/c/[a-z2-7]+">&lt;Ann&gt;</a>'
        r'<img src="https://mail\.example\.com/o/[^>]*></body></html>\n?',
        seen,
    )


def test_files_are_attached_and_shown_inline() -> None:
    source = message(
        html='<img src="cid:logo">{{ first_name }}',
        text="{{ first_name }}",
        attachments=(
            Attachment(filename="logo.png", content_type="image/png", content=b"png", content_id="logo"),
            Attachment(filename="Rechnung Ü.pdf", content_type="application/pdf", content=b"%PDF" * 100),
        ),
    )
    mail = read(Compiled(source, KEYS).render(recipient(first_name="Ann")))
    assert mail.get_content_type() == "multipart/mixed"
    assert content(mail.get_body(("html",))) == '<img src="cid:logo">Ann'
    (attached,) = mail.iter_attachments()
    assert attached.get_filename() == "Rechnung Ü.pdf"
    assert attached.get_content() == b"%PDF" * 100
    kinds = [part.get_content_type() for part in mail.walk()]
    assert kinds == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html",
        "image/png", "application/pdf",
    ]  # fmt: skip


def test_variables_come_from_where_they_should() -> None:
    source = message(
        text="{{ email }}|{{ city }}|{{ attributes.city }}|{{ attributes['a b'] }}|{{ tenant.name }}|"
        "{{ crm.tier }}|{{ attributes.tags[1] }}|{{ campaign.name }}|{{ nothing }}|{{ null }}|{{ n }}|"
        "{{ yes }}",
        variables={"tenant": {"name": "Acme"}, "campaign": {"name": "May"}, "email": "spoof@example.com"},
    )
    who = recipient(
        attributes={
            "city": "Bern", "a b": "x", "tags": ["a", "b"], "tenant": "spoof", "email": "spoof", "null": None,
            "n": 1.5, "yes": True,
        }
    )  # fmt: skip
    expected = "ann@example.org|Bern|Bern|x|Acme|gold|b|May|||1.5|True"
    for text in (source.content.text, LOGIC + source.content.text):
        compiled = Compiled(message(text=text, variables=source.content.variables), KEYS)
        assert content(read(compiled.render(who, {"crm": {"tier": "gold"}}))).strip() == expected
    assert any("`city`" in warning for warning in compiled.warnings)
    assert not any("tenant" in warning or "email" in warning for warning in compiled.warnings)


@pytest.mark.parametrize("before", ["", LOGIC])
def test_a_bad_value_fails_its_recipient_alone(before: str) -> None:
    def grumpy(value: object) -> object:
        if value == "bad":
            raise KeyError("no such thing")
        return value

    compiled = Compiled(message(text=before + "x\n{{ first_name|grumpy }}"), KEYS, {"grumpy": grumpy})
    assert content(read(compiled.render(recipient(first_name="good")))).strip() == "x\ngood"
    with pytest.raises(RenderError, match="no such thing"):
        compiled.render(recipient(first_name="bad"))
    with pytest.raises(RenderError, match="16,384") as failed:
        compiled.render(recipient(first_name="x" * 20_000))
    assert (failed.value.part, failed.value.line) == ("text", 2)
    with pytest.raises(RenderError):
        compiled.envelopes([recipient(first_name="good"), recipient(first_name="bad")])


def test_a_value_that_is_named_again_is_worked_out_once_in_a_part() -> None:
    seen: list[object] = []

    def noted(value: object) -> object:
        seen.append(value)
        return value

    text = "{{ first_name|noted }}, {{ last_name|noted }}!\n{{ first_name | noted }}"
    compiled = Compiled(message(text=text), KEYS, {"noted": noted})
    whole = content(read(compiled.render(recipient(first_name="Ann", last_name="Lee"))))
    assert whole.strip() == "Ann, Lee!\nAnn"
    assert seen == ["Ann", "Lee"]


def test_a_message_that_cannot_be_compiled_says_where() -> None:
    with pytest.raises(RenderError) as failed:
        Compiled(message(html="a\n{{ 'x'|format }}"), KEYS)
    assert (failed.value.part, failed.value.line) == ("html", 2)


def test_custom_headers_are_checked_and_sent_and_replace_ours() -> None:
    with pytest.raises(InvalidInput, match="Bcc"):
        Compiled(message(text="x", headers=(("Bcc", "eve@example.com"),)), KEYS)
    source = message(text="x", headers=(("Feedback-ID", "own"), ("X-N", "Grüße")))
    mail = read(Compiled(source, KEYS).render(recipient()))
    assert mail.get_all("feedback-id") == ["own"]
    assert mail["x-n"] == "Grüße"
