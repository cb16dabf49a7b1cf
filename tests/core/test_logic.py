"""What has logic in a template: run alone, and seen as if the whole template were."""

from __future__ import annotations

import pytest

from courierx_core.errors import RenderError
from courierx_core.messages.compile import Compiled
from tests.messages import KEYS, content, message, read, recipient


@pytest.mark.parametrize(
    ("layout", "seen"),
    [
        (
            "<b>{% if first_name == 'Ann' %}Dear {{ first_name }}{% endif %}</b>{{ content }}",
            "<b>Dear Ann</b>[1, 2, ]",
        ),
        ("{% if content %}<i>{{ content }}</i>{% endif %}{{ last_name }}", "<i>[1, 2, ]</i>Lee"),
        ("<i>{{ content|upper }}</i>", "<i>[1, 2, ]</i>"),
        ("{{ content }}{% if true %}-{% endif %}{{ content }}", "[1, 2, ]-[1, 2, ]"),
    ],
)
def test_a_layout_with_logic_of_its_own(layout: str, seen: str) -> None:
    html = "[{% for n in attributes.numbers %}{{ n }}, {% endfor %}]"
    compiled = Compiled(message(html=html, layout=layout), KEYS)
    who = recipient(first_name="Ann", last_name="Lee", attributes={"numbers": [1, 2]})
    assert content(read(compiled.render(who))).rstrip("\n") == seen
    assert compiled.fields(who).html == seen


def test_a_layout_may_change_a_text_without_logic() -> None:
    compiled = Compiled(message(html="Dear {{ first_name }}", layout="<b>{{ content|upper }}</b>"), KEYS)
    who = recipient(first_name="Ann")
    assert content(read(compiled.render(who))).rstrip("\n") == "<b>DEAR ANN</b>" == compiled.fields(who).html


@pytest.mark.parametrize(("bad", "part", "line"), [("one", "html", 2), ("two", "layout", 3)])
def test_an_error_in_logic_names_its_part_and_line(bad: str, part: str, line: int) -> None:
    html = "{{ first_name }}\n{% for x in one %}{% endfor %}"
    layout = "a\nb\n{% for x in two %}{% endfor %}{{ content }}"
    with pytest.raises(RenderError, match="a loop goes over a list") as failed:
        Compiled(message(html=html, layout=layout), KEYS).render(recipient(attributes={bad: "x"}))
    assert (failed.value.part, failed.value.line) == (part, line)


def test_all_loops_of_a_part_share_their_rounds() -> None:
    loop = "{% for x in attributes.n %}{% for y in attributes.n %}.{% endfor %}{% endfor %}"
    compiled = Compiled(message(html=f"{loop}a{loop}"), KEYS)
    assert content(read(compiled.render(recipient(attributes={"n": [0] * 200})))).count(".") == 80_000
    with pytest.raises(RenderError, match="100,000"):
        compiled.render(recipient(attributes={"n": [0] * 250}))
