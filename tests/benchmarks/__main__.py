"""`nox -s bench`: print one JSON object; exit with 1 when a run lost a message or sent one twice."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.benchmarks import page
from tests.benchmarks.figures import Unbalanced
from tests.benchmarks.measure import measure
from tests.benchmarks.sizes import FULL, SHORT, TINY

ROOT = Path(__file__).parents[2]


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--full", action="store_true", help="every combination, up to 1,000,000 recipients")
    parser.add_argument("--tiny", action="store_true", help="seconds: proves that it works, and nothing else")
    parts = ["render", "smtp_client", "store", "tracking", "http", "pipeline"]
    parser.add_argument("--part", default="", choices=parts)
    parser.add_argument("--rounds", type=int, help="how often everything takes its turn")
    parser.add_argument("--write", action="store_true", help="write docs/reference/performance.* and README")
    parser.add_argument("--page", action="store_true", help="only make the page again from its JSON")
    given = parser.parse_args(arguments)
    if given.write and (given.tiny or given.part):
        parser.error("--write stores a whole run: it goes with neither --tiny nor --part")
    if given.page:
        page.make(root)
        return 0
    sizes = FULL if given.full else TINY if given.tiny else SHORT
    if given.rounds:
        sizes = msgspec.structs.replace(sizes, rounds=given.rounds)
    command = " ".join(["nox -s bench --", *arguments])
    try:
        report = measure(sizes, command, given.part)
    except Unbalanced as problem:
        print(f"the benchmark failed: {problem}", file=sys.stderr)
        return 1
    print(msgspec.json.format(msgspec.json.encode(report), indent=1).decode())
    if given.write:
        page.write(report, root)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
