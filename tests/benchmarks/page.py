"""The page docs/reference/performance.md and README's sentence, both made from the JSON beside the page."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tests.benchmarks.figures import Figures
from tests.benchmarks.report import Run, Runs, judge
from tests.benchmarks.scale import page as scale
from tests.benchmarks.tables import bars_table, made, tables

FOLDER = Path("docs/reference")
JSON, PAGE, README = FOLDER / "performance.json", FOLDER / "performance.md", Path("README.md")
SCALE = FOLDER / "scale.md"
HEADLINE = "postgresql W=200 tags x1"
SENTENCE = re.compile(r"(?<=<!-- speed: made by the benchmark -->\n).*?(?=\n<!-- /speed -->)", re.DOTALL)
UNMEASURED = "How fast it sends beside Postfix's `smtp-source` has to be measured on the machine at hand."
PARTS = {
    "pipeline": "The whole pipeline",
    "tracked": "What tracking costs a campaign",
    "growth": "From a small campaign to a large one",
    "matrix": "Every combination",
    "smtp_client": "The SMTP client",
    "render": "Rendering",
    "bounces": "Bounces, shares of the corpus in tests/core/bounces",
    "store": "The store, rows a second",
    "tracking": "Clicks and opens, requests a second of one process",
    "http": "The API, one process",
}
NOTE = """
Made by `nox -s bench -- --write`. Figures are medians of the rounds, ratios are taken within one round,
and only ratios say anything about another machine. A pipeline is a campaign of 5 KB messages (text and
HTML, 8 tracked links, pixel, one-click unsubscribe, VERP) with its whole ledger, sent over SMTP to a
sink on the same machine; PostgreSQL is durable, with row-level security and the app's role. `W` is
`COURIERX_WINDOW`: the most messages that one kill of a worker can leave uncertain. `smtp-source` sends a
body that never changes, and keeps no books; textbook is Jinja, EmailMessage and smtplib, with a row
intended and recorded for each message. After each run the ledger is held against the sink: a run that
loses or repeats a message fails the benchmark.
""".strip()


def write(runs: Mapping[str, Run], root: Path) -> None:
    """Keep the parts that were measured beside the others, and make from all what people read."""
    kept = {**stored(root), **runs}
    text = msgspec.json.format(msgspec.json.encode(kept), indent=1).decode()
    (root / JSON).write_text(text + "\n", "utf-8")
    make(root)


def make(root: Path) -> None:
    """Make the page and README's sentence again from what is kept."""
    runs = stored(root)
    for name, text in pages(runs).items():
        (root / name).write_text(text, "utf-8")
    readme = root / README
    readme.write_text(SENTENCE.sub(lambda _: sentence(runs), readme.read_text("utf-8")), "utf-8")


def stored(root: Path) -> dict[str, Run]:
    """Read the runs that the documentation shows; none before the first."""
    file = root / JSON
    return msgspec.json.decode(file.read_bytes(), type=dict[str, Run]) if file.exists() else {}


def pages(runs: Runs) -> dict[Path, str]:
    """Make every page that shows measurements."""
    found = {PAGE: page(runs)} if runs else {}
    if "scale" in runs:
        found[SCALE] = scale.page(runs["scale"])
    return found


def page(runs: Runs) -> str:
    judged = judge(runs)
    paragraphs = [
        "# Performance",
        f"{NOTE}\nThe same as JSON: [performance.json](performance.json).",
        "## The bars",
        *bars_table(judged),
    ]
    for name, title in PARTS.items():
        if name in runs:
            paragraphs += [f"## {title}", made(runs[name]), *tables(runs[name].figures)]
    return "\n\n".join(paragraphs) + "\n"


def sentence(runs: Runs) -> str:
    """Say in README how fast it is, beside what a kill may leave uncertain."""
    key, figures = headline(runs)
    if "x_smtp_source" not in figures:
        return UNMEASURED
    machine = runs["pipeline"].machine
    recipients, window = int(key.rpartition("n=")[2]), HEADLINE.split("W=")[1].split()[0]
    said = (
        f"It sends at {figures['x_smtp_source']} times the rate of Postfix's `smtp-source`, which keeps no "
        f"books, while a kill leaves at most {window} messages uncertain: a campaign to {recipients:,} "
        f"people on PostgreSQL, one worker, {machine.cores} cores ({machine.processor}), on {machine.date}. "
        "The [measurements](docs/reference/performance.md) say which bars are not reached."
    )
    return "\n".join(textwrap.wrap(said, 115, break_long_words=False, break_on_hyphens=False))


def headline(runs: Runs) -> tuple[str, Figures]:
    """Find the figures of the claim; none before they were measured."""
    pipelines = runs["pipeline"].figures if "pipeline" in runs else {}
    return next(
        ((key, each) for key, each in pipelines.items() if key.startswith(f"{HEADLINE} n=")), ("", {})
    )
