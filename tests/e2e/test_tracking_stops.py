"""Hits of a real server that is stopped, and of one that is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from courierx_app.container import build
from courierx_app.settings import read
from courierx_core.courier import Courier
from courierx_core.messages.model import Content
from courierx_core.testing.store_samples import add_tenant, new_message
from tests.e2e.serving import PATIENCE_SECONDS, Serving, serve, until

__all__ = ["serve"]

PEOPLE = 200


class Clicked:
    """A running server and somebody who follows one person's link after another."""

    def __init__(self, running: Serving, courier: Courier) -> None:
        self.running, self.courier = running, courier
        self.tenant_id = add_tenant(courier.store)
        content = Content(from_email="a@x.example", subject="s", html="h", links=("https://acme.example/",))
        with courier.store.begin(self.tenant_id) as unit:
            people = [f"p{n}@x.example" for n in range(PEOPLE)]
            self.ids = [each.id for each in unit.deliveries.add(new_message(unit, content=content), people)]
        self.url = running.url

    def click(self, ids: list[int]) -> None:
        with httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS) as client:
            for delivery_id in ids:
                token = self.courier.tokens.mint("click", self.tenant_id, delivery_id)
                answer = client.get(f"/c/{token}", headers={"User-Agent": "Mozilla/5.0 (X11) Firefox/128.0"})
                assert answer.headers["location"] == "https://acme.example/"

    def kept(self) -> list[int]:
        """Return the deliveries whose clicks are kept, in their order."""
        with self.courier.store.begin(self.tenant_id, write=False) as unit:
            events = unit.events.list(kinds=("clicked",), limit=1000)
        return [each.delivery_id or 0 for each in reversed(events)]


@pytest.fixture
def clicked(serve: Callable[..., Serving], tmp_path: Path) -> Iterator[Clicked]:
    running = serve()
    until(running.answers)
    courier = build(read(tmp_path, {"DATABASE_URL": f"sqlite:///{tmp_path / 'courierx.db'}"}))
    try:
        yield Clicked(running, courier)
    finally:
        courier.close()


def test_a_stop_loses_no_hit(clicked: Clicked) -> None:
    clicked.click(clicked.ids)
    clicked.running.process.send_signal(signal.SIGTERM)
    assert clicked.running.process.wait(PATIENCE_SECONDS) == 0
    assert clicked.kept() == clicked.ids


def test_a_kill_loses_the_newest_hits_alone(clicked: Clicked) -> None:
    first, rest = clicked.ids[:20], clicked.ids[20:]
    clicked.click(first)
    until(lambda: len(clicked.kept()) == len(first))
    clicked.click(rest)
    api = clicked.running.child("api_process")
    os.kill(api.pid, signal.SIGKILL)
    until(lambda: clicked.running.child("api_process", other_than=api.pid))
    kept = clicked.kept()
    assert kept == clicked.ids[: len(kept)]
    assert len(kept) >= len(first)
    until(clicked.running.answers)
    clicked.click(clicked.ids[:1])
    until(lambda: len(clicked.kept()) == len(kept) + 1)
