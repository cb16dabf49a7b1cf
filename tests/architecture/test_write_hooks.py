"""docs/how-to/write-hooks.md: its plugin does what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PAGE = Path(__file__).parents[2] / "docs/how-to/write-hooks.md"


def test_the_guard_blocks_whom_it_names() -> None:
    given: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), given)
    people = [
        SimpleNamespace(id=number, address=f"ann@{domain}.example")
        for number, domain in enumerate(("rival", "x"))
    ]
    assert given["blocked"](given["NoCompetitors"](), SimpleNamespace(), people) == {0: "a competitor"}
