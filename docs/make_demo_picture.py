"""Draw docs/images/demo.svg: `courierx demo`, run now, as a terminal would show it.

`python docs/make_demo_picture.py [--recipients N]` passes its arguments on to the demo.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import escape

PICTURE = Path(__file__).parent / "images" / "demo.svg"
COURIERX = Path(sys.executable).with_name("courierx")

FONT, LEADING, CHARACTER = 14, 20, 8.43
MARGIN, BAR = 24, 40
PAPER, INK, FAINT, GOOD, BAD = "#10151c", "#d7dde5", "#7d8896", "#5fd7a7", "#f0a45d"
STATES = {
    "accepted": GOOD, "delivered": GOOD,
    "bounced": BAD, "rejected": BAD, "failed": BAD, "uncertain": BAD, "deferred": BAD,
    "suppressed": FAINT, "blocked": FAINT, "cancelled": FAINT, "queued": FAINT,
}  # fmt: skip


def draw(lines: list[str]) -> str:
    """Return an SVG of a terminal with these lines."""
    width = 2 * MARGIN + CHARACTER * max(map(len, lines))
    height = BAR + LEADING * len(lines) + MARGIN
    dots = [
        f'<circle cx="{MARGIN + 18 * number}" cy="20" r="6" fill="{colour}"/>'
        for number, colour in enumerate(("#f0615a", "#f0b54d", "#56c26a"))
    ]
    rows = [
        f'<text x="{MARGIN}" y="{BAR + LEADING * number + FONT}" fill="{_colour(line)}">{escape(line)}</text>'
        for number, line in enumerate(lines)
        if line
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}"'
            f' height="{height}" xml:space="preserve" role="img" aria-label="The report of courierx demo">',
            "<style>text { font: 14px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace;"
            " white-space: pre }</style>",
            f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>',
            *dots,
            *rows,
            "</svg>\n",
        ]
    )


def _colour(line: str) -> str:
    if line.startswith("$"):
        return FAINT
    words = line.split()
    return STATES.get(words[0].strip(":").lower(), INK) if words else INK


def main(arguments: list[str]) -> None:
    command = ["courierx", "demo", *arguments]
    ran = subprocess.run([COURIERX, *command[1:]], check=True, capture_output=True, text=True)
    # A carriage return is a progress line written over: what stays is what counts.
    shown = [
        line.rsplit("\r", 1)[-1].rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", ran.stdout).split("\n")
    ]
    PICTURE.write_text(draw(["$ " + " ".join(command), "", *shown]).rstrip("\n") + "\n", "utf-8")
    print(f"wrote {PICTURE.name}: {len(shown)} lines")


if __name__ == "__main__":
    main(sys.argv[1:])
