"""/docs in a real browser: it shows the API, and asks no host but ours."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tests.e2e.serving import Serving, serve, until

__all__ = ["serve"]

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--virtual-time-budget=5000",
)  # fmt: skip
"""The browser's own errands are none of the page's."""


def test_the_docs_are_shown_without_a_request_elsewhere(
    serve: Callable[..., Serving], tmp_path: Path
) -> None:
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    assert browser is not None, "there is no Chromium: apt-get install chromium"
    running = serve("--dev", "--no-worker")
    until(running.answers)
    log = tmp_path / "net.json"
    shown = subprocess.run(
        [
            browser, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={log}", "--dump-dom",
            f"{running.url}/docs",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )  # fmt: skip
    assert "/campaigns/{campaign_id}/send-now" in shown.stdout, shown.stderr[-2000:]
    asked = requests_of(log, running.url)
    assert {urlsplit(url).path for url in asked} >= {
        "/docs",
        "/docs/docs.js",
        "/docs/docs.css",
        "/openapi.json",
    }
    assert [url for url in asked if not url.startswith(f"{running.url}/")] == []


def requests_of(log: Path, origin: str) -> list[str]:
    """Return the URLs that a page of ours asked for, and its own: whatever the browser does for itself has
    another initiator."""
    found = json.loads(log.read_text())
    start = found["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    starts = [each["params"] for each in found["events"] if each["type"] == start and "params" in each]
    return [
        each["url"]
        for each in starts
        if "url" in each and (each.get("initiator") == origin or each["url"].startswith(origin))
    ]
