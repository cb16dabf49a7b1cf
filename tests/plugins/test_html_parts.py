"""The part of a mail that is missing, made from the one that is there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.plugins import load_hooks
from courierx_core.templates.model import Template
from courierx_html import html_of, text_of


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hello   <b>Ann</b>,</p><p>bye</p>", "Hello Ann,\n\nbye\n"),
        ('<a href="https://x.example/a?b=1&amp;c=2">Read</a>', "Read (https://x.example/a?b=1&c=2)\n"),
        ('<a href="https://x.example">https://x.example</a>', "https://x.example\n"),
        ('<a href="mailto:a@x.example">a@x.example</a>', "a@x.example\n"),
        ('<a href="https://x.example"><img src=i alt="Shop"></a>', "Shop (https://x.example)\n"),
        ('<a href="https://x.example"><img src=i></a>', "https://x.example\n"),
        ('<a href="#top">Up</a> <a>none</a>', "Up none\n"),
        ("<h1>Title</h1>text<br>next<div>last</div>", "Title\n\ntext\nnext\nlast\n"),
        ("<ul><li>One</li><li><p>Two</p></li></ul>after", "- One\n- Two\n\nafter\n"),
        ("<ol start=3><li>a<ul><li>b</li></ul></li><li>c</li></ol>", "3. a\n  - b\n4. c\n"),
        ("<table><tr><th>A<th>1<tr><td>B<td>2</table>", "A 1\nB 2\n"),
        ("<pre>a  b\n  c</pre>", "a  b\n  c\n"),
        ("<head><title>T</title><style>p{}</style></head><p>x<script>y()</script></p>", "x\n"),
        ("one<hr>two", "one\n\n--------------------\n\ntwo\n"),
        ("a &lt;b&gt; &nbsp;&amp; c&#x20AC;", "a <b> & c€\n"),
        (
            "<p>{{ a < b }}</p>{% if x > 1 %}<p>y</p>{% endif %}",
            "{{ a < b }}\n\n{% if x > 1 %}\n\ny\n\n{% endif %}\n",
        ),
        ('<a href="{{ unsubscribe_url }}">Stop</a>', "Stop ({{ unsubscribe_url }})\n"),
        ("", ""),
        ("<p> </p>", ""),
        ("<p>unclosed <b>tags", "unclosed tags\n"),
    ],
)
def test_text_from_html(html: str, text: str) -> None:
    assert text_of(html) == text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Hi\n\nthere\nyou", "<p>Hi</p>\n<p>there<br>\nyou</p>"),
        ("1 < 2 & 3", "<p>1 &lt; 2 &amp; 3</p>"),
        (
            "see https://x.example/a?b=1&c=2.",
            '<p>see <a href="https://x.example/a?b=1&amp;c=2">https://x.example/a?b=1&amp;c=2</a>.</p>',
        ),
        ('Dear {{ name|default("you & me") }}', '<p>Dear {{ name|default("you & me") }}</p>'),
        ("", ""),
    ],
)
def test_html_from_text(text: str, html: str) -> None:
    assert html_of(text) == html


@given(st.text(st.sampled_from("<>/=\"' abphultdr1{}%#&;\n-!")))
def test_any_html_gives_text(html: str) -> None:
    assert isinstance(text_of(html), str)


@given(st.text(st.sampled_from("ab .\n")))
def test_words_survive_both_ways(text: str) -> None:
    assert text_of(html_of(text)).split() == text.split()


def test_only_the_missing_part_is_made() -> None:
    hooks = load_hooks()
    both = Template(tenant_id=1, name="t", subject="s", html="<p>h</p>", text="t")
    assert hooks.transform_template(both) == both
    html = hooks.transform_template(Template(tenant_id=1, name="t", subject="s", html="<p>h</p>"))
    assert (html.html, html.text) == ("<p>h</p>", "h\n")
    text = hooks.transform_template(Template(tenant_id=1, name="t", subject="s", text="t"))
    assert (text.html, text.text) == ("<p>t</p>", "t")
