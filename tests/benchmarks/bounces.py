"""Score the bounce parser on the corpus of tests/core/bounces: `python tests/benchmarks/bounces.py`.

A third of the corpus, chosen by the hash of the file's name, was held back while the rules were tuned:
`--held-back` prints its score too, `--failures` what went wrong in the part that was not held back.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple, TypeAlias

from courierx_core.mail.incoming import parse

CORPUS = Path(__file__).parents[1] / "core" / "bounces"


Figures: TypeAlias = dict[str, float]
Part: TypeAlias = dict[str, Figures]
"""As in `tests.benchmarks.figures`, which a file that is run by its name cannot import."""


class Label(NamedTuple):
    """One line of labels.tsv; `-` where there is no address, or no class."""

    kind: str
    address: str
    cls: str


def labels() -> dict[str, list[Label]]:
    found: dict[str, list[Label]] = defaultdict(list)
    for line in (CORPUS / "labels.tsv").read_text("utf-8").splitlines():
        name, kind, address, cls = line.split("\t")
        found[name].append(Label(kind, address, cls))
    return found


def is_held_back(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] % 3 == 0


def score(*, held_back: bool, failures: list[str] | None = None) -> Figures:
    """Return the shares that are right, and of soft bounces the share called hard."""
    classes = recipients = total = named = soft = called_hard = 0
    for name, expected in labels().items():
        if is_held_back(name) is not held_back:
            continue
        report = parse((CORPUS / f"{name}.eml").read_bytes())
        got = {each.address: each.bounce for each in report.recipients}
        for label in expected:
            total += 1
            # somebody else's class is worth something only where one person is in question
            alone = next(iter(got.values()), None) if len(expected) == 1 else None
            cls = got.get(label.address, alone)
            right = report.kind == label.kind and (label.kind != "bounce" or cls == label.cls)
            classes += right
            soft += label.cls == "soft"
            called_hard += label.cls == "soft" and report.kind == "bounce" and cls == "hard"
            found = True
            if label.address != "-":
                named += 1
                found = set(got) == {each.address for each in expected}
                recipients += found
            if failures is not None and not (right and found):
                failures.append(f"{name}: wanted {label}, got {report.kind} {got}")
    return {
        "shapes": total,
        "class_right": round(classes / total, 4),
        "soft_called_hard": round(called_hard / soft, 4),
        "recipient_right": round(recipients / named, 4),
    }


def compare() -> Part:
    """Return the scores on what the rules were tuned on, and on the third that was held back."""
    return {"tuned on": score(held_back=False), "held back": score(held_back=True)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--held-back", action="store_true")
    options.add_argument("--failures", action="store_true")
    given = options.parse_args()
    failures: list[str] = []
    scores = {"tuning": score(held_back=False, failures=failures)}
    if given.held_back:
        scores["held_back"] = score(held_back=True)
    print(json.dumps(scores))
    if given.failures:
        print(*failures, sep="\n")


if __name__ == "__main__":
    main()
