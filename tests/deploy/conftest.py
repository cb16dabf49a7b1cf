"""Everything that a deployment runs, wherever it is written down."""

from __future__ import annotations

import configparser
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from helm_python.chart import Chart

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/courierx"
IMAGE_USER = 10001


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    return found


def task_definitions() -> dict[str, dict[str, Any]]:
    return {file.name: json.loads(file.read_text()) for file in (ROOT / "deploy/ecs").glob("taskdef-*.json")}


def units() -> dict[str, configparser.RawConfigParser]:
    found = {}
    for file in (ROOT / "deploy/systemd").glob("*.service"):
        unit = configparser.RawConfigParser(strict=True, delimiters="=", comment_prefixes="#")
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read_string(file.read_text("utf-8"))
        found[file.name] = unit
    return found


def rendered(**values: Any) -> list[dict[str, Any]]:
    """Render the chart as `helm template` would; return its objects."""
    with Chart.load(CHART) as chart:
        pages = chart.render(values=values, name="courierx", namespace="mail").values()
    return [each for page in pages for each in yaml.safe_load_all(page) if each]


def containers(objects: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each pod's spec with its container."""
    for each in objects:
        pod = each.get("spec", {}).get("template", {}).get("spec")
        if pod:
            yield pod, pod["containers"][0]


def commands() -> dict[str, list[str]]:
    """Gather what is run after the word `courierx`, by where it is said."""
    found = {
        f"compose.yaml:{name}": service["command"]
        for name, service in compose()["services"].items()
        if service["image"].startswith("courierx")
    }
    for name, task in task_definitions().items():
        found[name] = task["containerDefinitions"][0]["command"]
    for _, container in containers(rendered()):
        found[f"helm:{container['name']}"] = container["args"]
    for name, unit in units().items():
        for key in ("ExecStartPre", "ExecStart"):
            if line := unit["Service"].get(key):
                program, *words = shlex.split(line)
                assert Path(program).name == "courierx"
                found[f"{name}:{key}"] = words
    last = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("CMD ")][-1]
    found["Dockerfile"] = json.loads(last.removeprefix("CMD "))
    return found


@pytest.fixture(scope="session")
def docs_check() -> ModuleType:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import check
    finally:
        sys.path.pop(0)
    return check
