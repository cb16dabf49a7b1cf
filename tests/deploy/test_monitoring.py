"""Alert rules and dashboard: they parse, ask for metrics and labels that there are, and lead to a runbook."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml

from courierx_core.metrics.model import FAMILIES
from tests.deploy.conftest import ROOT

FOLDER = ROOT / "deploy/monitoring"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text("utf-8"))
LABELS: dict[str, set[str]] = {family.name: set(family.labels) for family in FAMILIES}
SERIES: dict[str, tuple[str, set[str]]] = {
    f"{family.name}_{part}": (family.name, {*family.labels, *({"le"} if part == "bucket" else ())})
    for family in FAMILIES
    if family.kind == "histogram"
    for part in ("bucket", "sum", "count")
}
"""The series of a histogram: what it is called, and its labels."""
FROM_ELSEWHERE: dict[str, set[str]] = {
    "up": {"job"}, "node_filesystem_avail_bytes": set(), "node_filesystem_size_bytes": set()
}  # fmt: skip
SELECTOR = re.compile(r"\b(courierx_\w+|node_\w+|up)\b(?:\{([^}]*)\})?")
DURATION = re.compile(r"\d+[smhd]")


def queries() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def asked(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Give each metric of a query, and the labels it is chosen by."""
    for name, matchers in SELECTOR.findall(expression):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", matchers or ""))


def holds(expression: str) -> None:
    promql_parser.parse(expression.replace("$__rate_interval", "5m"))
    found = list(asked(expression))
    assert found
    known = {**LABELS, **FROM_ELSEWHERE, **{name: labels for name, (_, labels) in SERIES.items()}}
    for name, labels in found:
        assert name in known, name
        assert labels <= known[name], (name, labels)


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_asks_for_what_there_is_and_names_its_runbook(rule: dict[str, Any]) -> None:
    holds(rule["expr"])
    assert re.fullmatch(r"CourierX[A-Z]\w+", rule["alert"])
    assert DURATION.fullmatch(rule.get("for", "0s"))
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"].endswith(".")
    runbook = ROOT / rule["annotations"]["runbook"]
    assert f"`{rule['alert']}`" in runbook.read_text("utf-8")
    for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
        assert re.search(rf"by \([^)]*\b{label}\b", rule["expr"]), label


@pytest.mark.parametrize(("title", "expression"), list(queries()))
def test_a_panel_asks_for_what_there_is(title: str, expression: str) -> None:
    holds(expression)


def test_every_metric_is_watched_by_an_alert_or_shown() -> None:
    used = {name for rule in RULES for name, _ in asked(rule["expr"])}
    used |= {name for _, expression in queries() for name, _ in asked(expression)}
    used |= {SERIES[name][0] for name in used if name in SERIES}
    assert set(LABELS) - used == {"courierx_info", "courierx_worker_heartbeat_seconds"}


def test_the_dashboard_is_whole() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    boxes = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert all(box["x"] + box["w"] <= 24 for box in boxes)
    cells = [
        (x, y)
        for box in boxes
        for x in range(box["x"], box["x"] + box["w"])
        for y in range(box["y"], box["y"] + box["h"])
    ]
    assert len(set(cells)) == len(cells)  # no panel lies on another
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    named = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"]))) - {"__rate_interval"}
    assert named <= variables


def test_the_scrape_reads_the_rules_with_a_key_from_a_file() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    (job,) = config["scrape_configs"]
    assert job["authorization"]["credentials_file"].startswith("/")
    assert config["rule_files"] == ["alerts.yml"]
    assert job["job_name"] in {"courierx"} & set(re.findall(r'job="(\w+)"', RULES[0]["expr"]))
