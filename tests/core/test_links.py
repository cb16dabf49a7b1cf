"""Which links of a mail are tracked, and how they are numbered."""

from __future__ import annotations

import time
from html import escape

import pytest

from courierx_core.messages.links import add_parameters, add_pixel, collect_links, track_links


@pytest.mark.parametrize(
    ("html", "links"),
    [
        ('<a href="https://a.example/?x=1&amp;y=2">', ("https://a.example/?x=1&y=2",)),
        ("<A class=\"b\" HREF = 'http://a.example'>", ("http://a.example",)),
        ("<a\n href=https://a.example/x>", ("https://a.example/x",)),
        ('<a title="a > b" href="HTTPS://A.example/">', ("HTTPS://A.example/",)),
        ('<a href=" https://a.exa\r\nmple/\t ">', ("https://a.example/",)),
        ('<a href="https://a.example"><a href="https://b.example"><a href="https://a.example">',
         ("https://a.example", "https://b.example")),
        ('<!--[if mso]><a href="https://a.example"><![endif]-->', ("https://a.example",)),
        ('<a href="mailto:a@a.example"><a href="tel:1"><a href="#top"><a href="/x"><a name="x"><a href>', ()),
        ('<a href="javascript:alert(1)"><a href="data:text/html,x"><a href="//a.example">', ()),
        ('<a href="https://a.example/{{ x }}"><a href="{{ url }}"><a href="https://a.example/{% if x %}">',
         ()),
        ('<a data-href="https://a.example"><a title="x href=https://a.example">', ()),
        ('<abbr href="https://a.example"><link href="https://a.example"><img src="https://a.example">', ()),
        ('<a href="https://a.example', ()),
        ("a < b", ()),
    ],
)  # fmt: skip
def test_which_links_are_collected(html: str, links: tuple[str, ...]) -> None:
    assert collect_links(html) == links
    assert collect_links("", html) == links
    numbers = {url: number for number, url in enumerate(links)}
    tracked = track_links(html, numbers)
    assert collect_links(tracked) == ()
    assert all(f'"{{{{ courierx_click_{number} }}}}"' in tracked for number in numbers.values())
    assert track_links(html, {}) == html


def test_the_links_of_a_layout_come_after() -> None:
    assert collect_links("<a href='http://a.example'>", "<a href='http://b.example'>{{ content }}") == (
        "http://a.example",
        "http://b.example",
    )


@pytest.mark.parametrize("piece", ["<a ", '<a "', "<a href=\"'", "<a x='", "<a {{ ", "<a =", "<a\thref"])
def test_a_hostile_html_costs_little(piece: str) -> None:
    started = time.process_time()
    assert collect_links(piece * 5_000) == ()
    assert time.process_time() - started < 5


def test_the_pixel_is_the_last_thing_of_the_body() -> None:
    assert add_pixel("<p>x</p></body></BODY ></html>").endswith('border:0"></BODY ></html>')
    assert add_pixel("<p>x</p>").startswith('<p>x</p><img src="{{ courierx_pixel }}"')


UTM = {"utm_source": "news", "utm_campaign": "May & June"}


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://x.example", "https://x.example?utm_source=news&utm_campaign=May+%26+June"),
        ("https://x.example/a?", "https://x.example/a?utm_source=news&utm_campaign=May+%26+June"),
        (
            "https://x.example/?b=c#d?e",
            "https://x.example/?b=c&utm_source=news&utm_campaign=May+%26+June#d?e",
        ),
        ("https://x.example/?utm_source=own", "https://x.example/?utm_source=own&utm_campaign=May+%26+June"),
        ("https://x.example/?utm_source=a&utm_campaign=b", "https://x.example/?utm_source=a&utm_campaign=b"),
    ],
)
def test_parameters_are_added_to_links(url: str, wanted: str) -> None:
    html = f'<p><a class="b" href="{escape(url)}">a</a> {url}</p>'
    changed = add_parameters(html, UTM)
    assert collect_links(changed) == (wanted,)
    assert changed.endswith(f"> a</a> {url}</p>".replace("> a", ">a")), "only the attribute changes"
    assert add_parameters(changed, UTM) == changed
    assert add_parameters(html, {}) is html


@pytest.mark.parametrize(
    "href", ["mailto:a@x.example", "#top", "{{ unsubscribe_url }}", "https://x.example/{{ a }}"]
)
def test_other_links_get_no_parameters(href: str) -> None:
    html = f'<a href="{href}">a</a>'
    assert add_parameters(html, UTM) == html
