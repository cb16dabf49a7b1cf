"""`nox -s bench`: print one JSON object; exit with 1 when a run lost a message or sent one twice."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks import page
from tests.benchmarks.figures import Unbalanced
from tests.benchmarks.measure import BY_DEFAULT, PARTS, measure
from tests.benchmarks.report import judge
from tests.benchmarks.scale import bars as scale
from tests.benchmarks.sink import RecordingSink, fast_sink
from tests.benchmarks.sizes import FULL, SHORT, STORES, TEMPLATES, TINY, Sizes, matrix

ROOT = Path(__file__).parents[2]


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    given = options(arguments)
    if given.page:
        page.make(root)
        return 0
    command = " ".join(["nox -s bench --", *arguments])
    try:
        sink = RecordingSink if given.tiny else fast_sink()
        runs = measure(sizes_of(given), command, parts_of(given), sink)
    except Unbalanced as problem:
        print(f"the benchmark failed: {problem}", file=sys.stderr)
        return 1
    judged = judge(runs) + (scale.bars(runs["scale"].figures) if "scale" in runs else [])
    report = {"parts": runs, "bars": judged}
    print(msgspec.json.format(msgspec.json.encode(report), indent=1).decode())
    if given.write:
        page.write(runs, root)
    return 0


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--full", action="store_true", help="up to 1,000,000 recipients")
    parser.add_argument("--tiny", action="store_true", help="seconds: proves that it works, and nothing else")
    parser.add_argument("--part", nargs="+", choices=list(PARTS), help=f"by default {', '.join(BY_DEFAULT)}")
    parser.add_argument("--rounds", type=int, help="how often everything takes its turn")
    parser.add_argument("--old", type=int, help="deliveries of the past in the part `scale`: 10,000,000")
    parser.add_argument("--write", action="store_true", help="write docs/reference/performance.* and README")
    parser.add_argument("--page", action="store_true", help="only make the page again from its JSON")
    combined = parser.add_argument_group("the part `matrix`, everything combined with everything")
    combined.add_argument("--stores", nargs="+", choices=STORES)
    combined.add_argument("--windows", nargs="+", type=int, help="by default 40 200 500")
    combined.add_argument("--templates", nargs="+", choices=TEMPLATES)
    combined.add_argument("--workers", nargs="+", type=int, help="by default 1 2")
    combined.add_argument("--recipients", nargs="+", type=int, help="by default 10000 100000 1000000")
    given = parser.parse_args(arguments)
    if given.write and given.tiny:
        parser.error("--write keeps what was measured: --tiny measures nothing")
    return given


def parts_of(given: argparse.Namespace) -> Sequence[str]:
    return given.part or (["matrix"] if combinations(given) else BY_DEFAULT)


def sizes_of(given: argparse.Namespace) -> Sizes:
    sizes = FULL if given.full else TINY if given.tiny else SHORT
    scale = msgspec.structs.replace(sizes.scale, old=given.old or sizes.scale.old)
    rounds = given.rounds or sizes.rounds
    return msgspec.structs.replace(sizes, rounds=rounds, scale=scale, matrix=matrix(**combinations(given)))


def combinations(given: argparse.Namespace) -> dict[str, list[Any]]:
    """Return what the matrix was narrowed to."""
    names = ("stores", "windows", "templates", "workers", "recipients")
    return {name: getattr(given, name) for name in names if getattr(given, name)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
