"""Templates: what they may say, what they cost, and what is said when they are wrong (SECURITY: S01)."""

from __future__ import annotations

import sys
import textwrap
import time
from pathlib import Path

import pytest

from courierx_core.errors import RenderError
from courierx_core.templates import check as checking
from courierx_core.templates.check import check
from courierx_core.templates.filters import VALUE_MAX
from courierx_core.templates.model import Template
from courierx_core.templates.sandbox import OUTPUT_MAX, Program, allowed_filters

FILTERS = allowed_filters()


def render(source: str, html: bool = True, **data: object) -> str:
    return Program(source, part="html", filters=FILTERS, html=html).render(data)


def template(**parts: str) -> Template:
    return Template(tenant_id=1, name="t", **{"subject": "Hello", **parts})


@pytest.mark.parametrize(
    ("source", "line", "word"),
    [
        ("{{ '%1000000000s'|format('a') }}", 1, "format"),
        ("\n{{ 'a' * 100000000 }}", 2, "`*`"),
        ("{{ 9 ** 99999 }}", 1, "`**`"),
        ("{{ '%99999999d' % 1 }}", 1, "`%`"),
        ("{% for i in range(100000000) %}x{% endfor %}", 1, "over data"),
        ("{% for i in [1, 2, 3] %}x{% endfor %}", 1, "over data"),
        ("{% for a in x recursive %}{{ loop(a) }}{% endfor %}", 1, "recursive"),
        (
            "\n{% for a in x %}\n{% for b in x %}\n{% for c in x %}{% endfor %}{% endfor %}{% endfor %}",
            4,
            "2 deep",
        ),
        ("{{ x.upper() }}", 1, "calling"),
        ("{{ lipsum() }}", 1, "calling"),
        ("{% macro m() %}{{ m() }}{% endmacro %}", 1, "macro"),
        ("{% set a = x ~ x %}{% set b = a ~ a %}", 1, "set"),
        ("{% include 'x' %}", 1, "include"),
        ("{% import 'x' as y %}", 1, "import"),
        ("{% extends 'x' %}", 1, "extends"),
        ("{% filter upper %}x{% endfilter %}", 1, "filter block"),
        ("{% with a = 1 %}{% endwith %}", 1, "with"),
        ("{{ x[0:5] }}", 1, "slice"),
        ("{{ x|center(100000000) }}", 1, "center"),
        ("{{ x|indent(100000000) }}", 1, "indent"),
        ("{{ x is callable }}", 1, "callable"),
        ("{{ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x }}", 1, "`~`"),
        ("{{ (x ~ x)|upper ~ x }}", 1, "`~`"),
        ("{{ x|items of a loop }}", 1, "of"),
        ("{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}", 0, "deep"),
        ("\n\n{% if x %}", 3, "endif"),
        ("{{ x", 1, "end of"),
    ],
)
def test_what_could_cost_anything_is_refused_at_save(source: str, line: int, word: str) -> None:
    started = time.process_time()
    verdict = check(template(html=source))
    assert not verdict.valid
    assert verdict.part == "html"
    assert verdict.line == line
    assert word in verdict.reason
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Hi {{ first_name|default('you') }}!", "Hi Ann!"),
        ("{{ nothing|default('you') }}{{ blank|default('you') }}{{ zero|default('you') }}", "youyou0"),
        ("{{ zero|default('none', true) }}", "none"),
        ("{{ nothing }}{{ nothing.at.all }}{{ null }}", ""),
        ("{% if nothing > 3 or nothing < 3 %}yes{% else %}no{% endif %}", "no"),
        ("{{ first_name|upper|lower|title }}", "Ann"),
        ("{{ tag }}{{ tag|safe }}{{ tag|e }}", "&lt;b&gt;<b>&lt;b&gt;"),
        (
            "{% for i in items %}{{ loop.index }}{{ i.name }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "1a, 2b",
        ),
        ("{% for row in table %}{% for cell in row %}{{ cell }}{% endfor %};{% endfor %}", "12;3;"),
        ("{% for key in prices %}{{ key }}={{ prices[key] }} {% endfor %}", "eur=1.5 "),
        ("{{ 'yes' if zero is defined and zero is even else 'no' }}", "yes"),
        ("{{ first_name ~ '-' ~ zero }}", "Ann-0"),
        ("{{ prices.eur + 1 }} {{ 7 // 2 }} {{ prices.eur|round }}", "2.5 3 2.0"),
        ("{{ names|join(', ') }} {{ names|first }} {{ names|length }}", "x, y x 2"),
        ("{{ first_name|replace('n', 'N') }}", "ANN"),
        ("{{ prices.items }}{{ first_name.upper }}{{ names.append }}{{ first_name.__class__ }}", ""),
        ("{{ 1.5|round(-1000000000) }}", "2.0"),
        ("{% for x in nothing %}{% else %}empty{% endfor %}", "empty"),
        ("a\n{# note #}b\n", "a\nb\n"),
    ],
)
def test_variables_conditions_loops_and_filters(source: str, expected: str) -> None:
    data = {
        "first_name": "Ann", "blank": "", "zero": 0, "null": None, "tag": "<b>", "names": ["x", "y"],
        "items": [{"name": "a"}, {"name": "b"}], "table": [[1, 2], [3]], "prices": {"eur": 1.5},
    }  # fmt: skip
    assert render(source, **data) == expected


def test_text_parts_are_not_escaped() -> None:
    assert render("{{ x }}", html=False, x="<&>") == "<&>"


@pytest.mark.parametrize(
    ("source", "data", "word"),
    [
        ("\n{{ x }}", {"x": "a" * (VALUE_MAX + 1)}, "16,384"),
        ("\n{{ x }}", {"x": ["a" * VALUE_MAX]}, "16,384"),
        ("\n{{ x|replace('a', x) }}", {"x": "a" * VALUE_MAX}, "replace"),
        ("\n{{ x|replace('', x) }}", {"x": "a" * VALUE_MAX}, "replace"),
        ("\n{{ x|join(y) }}", {"x": ["a"] * 1000, "y": "b" * 1000}, "join"),
        ("\n{{ x|join }}", {"x": ["a"] * 1001}, "join"),
        ("\n{{ x|urlencode }}", {"x": "\u2603" * VALUE_MAX}, "urlencode"),
        ("\n{% for i in x %}{% endfor %}", {"x": [1] * 1001}, "1,000"),
        ("\n{% for i in x %}{{ i }}{% endfor %}", {"x": "text"}, "over a list"),
        ("\n{% for i in x %}{% for j in x %}{% endfor %}{% endfor %}", {"x": [1] * 1000}, "100,000"),
        ("\n{% for i in x %}{{ y }}{% endfor %}", {"x": [1] * 1000, "y": "a" * VALUE_MAX}, f"{OUTPUT_MAX:,}"),
        ("\n{{ 1 / x }}", {"x": 0}, "ZeroDivisionError"),
        ("\n{{ x + 'b' }}", {"x": "a"}, "two numbers"),
        ("\n{{ x + x }}", {"x": ["a"]}, "two numbers"),
    ],
)  # fmt: skip
def test_data_that_goes_too_far_fails_with_its_line(source: str, data: dict[str, object], word: str) -> None:
    with pytest.raises(RenderError, match=word.replace("(", r"\(")) as failed:
        render(source, **data)
    assert (failed.value.part, failed.value.line) == ("html", 2)


def test_a_value_of_the_largest_size_passes() -> None:
    assert len(render("{{ x }}", html=False, x="a" * VALUE_MAX)) == VALUE_MAX


def test_a_good_template_gives_its_output_and_names_strange_variables() -> None:
    verdict = check(
        template(
            subject="Hi {{ frist_name }}{{ first_name }}",
            html="<p>{{ city }}{{ campaign.name }}</p>",
            text="{{ city }}",
            layout="<html>{{ content }}</html>",
        ),
        {"attributes": {"city": "Zürich <1>"}, "campaign": {"name": "May"}},
    )
    assert verdict.valid, verdict.reason
    assert verdict.output == {
        "subject": "Hi Ann",
        "html": "<html><p>Zürich &lt;1&gt;May</p></html>",
        "text": "Zürich <1>",
    }
    (warning,) = verdict.warnings
    assert "`frist_name`" in warning


def test_a_large_html_fits_into_its_layout() -> None:
    html = "x" * (VALUE_MAX * 3)
    verdict = check(template(html=html, layout="<b>{{ content|safe }}</b>"))
    assert verdict.output["html"] == f"<b>{html}</b>"


def test_a_layout_needs_a_place_for_its_content() -> None:
    verdict = check(template(html="a", layout="<html></html>"))
    assert (verdict.valid, verdict.part) == (False, "layout")
    assert "content" in verdict.reason


def test_an_empty_template_is_not_valid() -> None:
    verdict = check(template())
    assert (verdict.valid, verdict.part) == (False, "html")


def test_an_error_of_the_trial_has_part_and_line() -> None:
    verdict = check(template(text="a\n\n{{ 1 / n }}"), {"n": 0})
    assert (verdict.valid, verdict.part, verdict.line) == (False, "text", 3)
    assert "division" in verdict.reason


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of filters, as a plugin would bring one: importable here and in the child."""
    source = """
        import os
        def shout(value): return str(value).upper() + "!"
        def spin(value):
            while True: pass
        def hoard(value): return len(bytearray(1 << 40)) or len([bytes(1 << 20) for _ in range(4096)])
        def die(value): os._exit(3)
        def secrets(value): return ",".join(sorted(os.environ))
        class Slow:
            @staticmethod
            def nap(value):
                import time
                time.sleep(60)
    """
    (tmp_path / "pigeon_filters.py").write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("pigeon_filters", None)


def test_a_plugins_filter_runs_in_the_trial(plugin: Path) -> None:
    import pigeon_filters

    verdict = check(template(text="{{ first_name|shout }}"), filters={"shout": pigeon_filters.shout})
    assert verdict.output["text"] == "ANN!"


def test_a_filter_without_a_name_stands_aside(plugin: Path) -> None:
    verdict = check(template(text="{{ first_name|anonymous }}"), filters={"anonymous": lambda value: "?"})
    assert verdict.output["text"] == "Ann"


@pytest.mark.parametrize("name", ["spin", "hoard", "die"])
def test_a_runaway_is_really_ended(name: str, plugin: Path) -> None:
    import pigeon_filters

    verdict = check(template(text="{{ first_name|run }}"), filters={"run": getattr(pigeon_filters, name)})
    assert not verdict.valid
    assert "memory" in verdict.reason


def test_a_trial_that_waits_is_ended_too(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pigeon_filters

    monkeypatch.setattr(checking, "WALL_SECONDS", 1.0)
    verdict = check(template(text="{{ first_name|nap }}"), filters={"nap": pigeon_filters.Slow.nap})
    assert not verdict.valid
    assert "longer than 1 s" in verdict.reason


def test_the_trial_sees_nothing_of_our_environment(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pigeon_filters

    monkeypatch.setenv("COURIERX_SECRET_KEY", "canary")
    verdict = check(template(text="{{ first_name|secrets }}"), filters={"secrets": pigeon_filters.secrets})
    assert verdict.valid, verdict.reason
    assert "COURIERX" not in verdict.output["text"]
    assert "PYTHONPATH" in verdict.output["text"]
