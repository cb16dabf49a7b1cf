"""Clicks and opens over ASGI: where they lead, what is kept, and what an outage changes (S05, S11)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from courierx_app.asgi import serve
from courierx_app.container import build
from courierx_app.public import tracking
from courierx_app.public.tracking import DOT
from courierx_app.settings import Configuration, read
from courierx_core.courier import Courier
from courierx_core.delivery.model import Delivery
from courierx_core.errors import StoreError
from courierx_core.feedback.model import Event
from courierx_core.mail.token import Kind, TokenKeys
from courierx_core.messages.model import Content
from courierx_core.ports.reports import Tally
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.tracking.links import BLOCK
from tests.plugins.conftest import migrated, postgres

__all__ = ["migrated", "postgres"]

LINKS = (
    "https://acme.example/a?b=c&d=é",
    "http://acme.example/2",
    "javascript:alert(1)",
    "https://a.example/4",
)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

Act = Callable[[httpx.AsyncClient], Awaitable[None]]


class Site:
    """Two people's mail with four links, and the process that answers for them."""

    def __init__(self, courier: Courier, configuration: Configuration) -> None:
        self.courier, self.configuration = courier, configuration
        self.tenant_id = add_tenant(courier.store)
        content = Content(from_email="a@x.example", subject="s", html="h", links=LINKS)
        with courier.store.begin(self.tenant_id) as unit:
            message = new_message(unit, content=content)
            self.ann, self.bob = unit.deliveries.add(message, ["ann@x.example", "bob@x.example"])

    def path(self, kind: Kind, delivery: Delivery, link: int = 0, tenant_id: int | None = None) -> str:
        return f"/{kind[0]}/{self.courier.tokens.mint(kind, tenant_id or self.tenant_id, delivery.id, link)}"

    def run(self, act: Act) -> None:
        """Serve while `act` asks; then shut down, which writes what is left."""

        async def both() -> None:
            app = serve(self.courier, self.configuration.settings)
            async with Lifespan(app):
                transport = httpx.ASGITransport(app=app)
                async with httpx.AsyncClient(transport=transport, base_url="http://any.example") as client:
                    client.headers["User-Agent"] = BROWSER
                    await act(client)

        asyncio.run(both())

    def kept(self) -> tuple[list[Event], dict[str, Tally], list[str]]:
        """Return events oldest first, their tally and the two deliveries' states."""
        store = build(self.configuration).store  # the one that served is closed
        try:
            with store.begin(self.tenant_id, write=False) as unit:
                states = [unit.deliveries.get(each.id).state for each in (self.ann, self.bob)]
                tally = dict(unit.events.tally(self.ann.message_id))
                assert unit.deliveries.totals(self.ann.message_id) == unit.deliveries.recount(
                    self.ann.message_id
                )
                return list(reversed(unit.events.list(limit=1000))), tally, states  # type: ignore[return-value]
        finally:
            store.close()


class Lifespan:
    """The lifespan of an ASGI application, as a server drives it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._heard: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._said: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def __aenter__(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._task = asyncio.create_task(self._app(scope, self._heard.get, self._said.put))
        await self._heard.put({"type": "lifespan.startup"})
        assert (await self._said.get())["type"] == "lifespan.startup.complete"

    async def __aexit__(self, *error: object) -> None:
        await self._heard.put({"type": "lifespan.shutdown"})
        assert (await self._said.get())["type"] == "lifespan.shutdown.complete"
        await self._task


@pytest.fixture
def site(courier: Courier, configuration: Configuration) -> Site:
    return Site(courier, configuration)


def test_a_click_leads_to_the_stored_url_and_is_kept(site: Site) -> None:
    async def act(client: httpx.AsyncClient) -> None:
        for _ in range(2):
            answer = await client.get(site.path("click", site.ann))
            assert answer.status_code == 302
            assert answer.headers["location"] == "https://acme.example/a?b=c&d=%C3%A9"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["strict-transport-security"]
        await client.get(site.path("click", site.bob, 1), headers={"User-Agent": "curl/8"})

    site.run(act)
    events, tally, states = site.kept()
    assert [(each.kind, each.recipient, each.url, each.machine) for each in events] == [
        ("clicked", "ann@x.example", LINKS[0], False), ("clicked", "ann@x.example", LINKS[0], False),
        ("clicked", "bob@x.example", LINKS[1], True),
    ]  # fmt: skip
    assert events[0].user_agent == BROWSER
    assert tally == {"clicked": Tally(3, 2, 1)}
    assert states == ["delivered", "delivered"], "who clicks has got it"


def test_an_open_is_a_dot_and_counts_people_once(site: Site) -> None:
    async def act(client: httpx.AsyncClient) -> None:
        for headers in ({}, {}, {"User-Agent": "GoogleImageProxy"}, {"Sec-Purpose": "prefetch"}):
            answer = await client.get(site.path("open", site.ann), headers=headers)
            assert (answer.status_code, answer.content) == (200, DOT)
            assert answer.headers["content-type"] == "image/gif"
        head = await client.head(site.path("open", site.ann))
        assert (head.status_code, head.content) == (200, b"")

    site.run(act)
    _, tally, states = site.kept()
    assert tally == {"opened": Tally(5, 2, 1)}
    assert states == ["delivered", "queued"]


def test_no_token_but_a_true_one_leads_anywhere(site: Site) -> None:
    good = site.path("click", site.ann)
    others = TokenKeys(["another key"]).mint("click", site.tenant_id, site.ann.id)
    wrong = [
        good[:-1] + ("a" if good[-1] != "a" else "b"), good.upper().replace("/C/", "/c/"), good + "a", "/c/",
        "/c/%00", "/c/" + "a" * 500, "/c/https://evil.example", "/c//evil.example", f"/c/{others}",
        site.path("click", site.ann, 2), site.path("click", site.ann, 4),
        site.path("click", site.ann, tenant_id=site.tenant_id + 1),
        "/c/" + site.courier.tokens.mint("click", site.tenant_id, site.bob.id + 1000),
        *("/c/" + site.courier.tokens.mint(kind, site.tenant_id, site.ann.id) for kind in ("open", "view")),
        good.replace("/c/", "/o/"),
    ]  # fmt: skip

    async def act(client: httpx.AsyncClient) -> None:
        for path in wrong:
            answer = await client.get(path)
            assert answer.status_code == 404, path
            assert "location" not in answer.headers
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert (await client.request(method, good)).status_code == 405
        # a dot costs nothing, and tells nobody whether the token was good
        forged = site.path("open", site.ann, tenant_id=site.tenant_id + 1)
        assert (await client.get(forged)).content == DOT

    site.run(act)
    assert site.kept() == ([], {}, ["queued", "queued"])


@given(text=st.text(min_size=1, max_size=60))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_path_is_answered(site: Site, text: str) -> None:
    answered: list[dict[str, Any]] = []

    async def ask() -> None:
        app = tracking.Tracking(site.courier, https=False)

        async def send(message: Any) -> None:
            answered.append(message)

        scope = {"type": "http", "method": "GET", "path": f"/c/{text}", "headers": []}
        await app(scope, None, send)  # type: ignore[arg-type]
        await app.close()

    asyncio.run(ask())
    assert answered[0]["status"] == 404


def test_links_that_nobody_follows_at_once_are_a_machines(site: Site) -> None:
    async def act(client: httpx.AsyncClient) -> None:
        paths = [site.path("click", site.ann, link) for link in (0, 1, 3)]
        await asyncio.gather(*(client.get(path) for path in [*paths, site.path("click", site.bob)]))

    site.run(act)
    events, tally, _ = site.kept()
    assert {each.recipient for each in events if each.machine} == {"ann@x.example"}
    assert tally == {"clicked": Tally(4, 1, 1)}


def test_a_campaigns_clicks_are_looked_up_together(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    platform = type(site.courier.store).platform

    def counted(self: Any, **options: Any) -> Any:
        asked.append(1)
        return platform(self, **options)

    monkeypatch.setattr(type(site.courier.store), "platform", counted)

    async def act(client: httpx.AsyncClient) -> None:
        people = (site.ann, site.bob) * 20
        answers = await asyncio.gather(*(client.get(site.path("click", each)) for each in people))
        assert {answer.status_code for answer in answers} == {302}

    site.run(act)
    assert len(asked) <= 3
    assert site.kept()[1] == {"clicked": Tally(40, 40, 2)}


def test_an_outage_keeps_what_it_can(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracking, "AGAIN_SECONDS", 0.01)
    store, away = type(site.courier.store), False
    begin, platform = store.begin, store.platform

    def failing(real: Any) -> Any:
        def act(self: Any, *args: Any, **options: Any) -> Any:
            if away:
                raise StoreError("gone")
            return real(self, *args, **options)

        return act

    monkeypatch.setattr(store, "begin", failing(begin))
    monkeypatch.setattr(store, "platform", failing(platform))

    async def act(client: httpx.AsyncClient) -> None:
        nonlocal away
        assert (await client.get(site.path("click", site.ann))).status_code == 302
        away = True
        assert (await client.get(site.path("click", site.ann, 1))).status_code == 302, "known already"
        assert (await client.get(site.path("open", site.bob))).content == DOT
        far = site.courier.tokens.mint("click", site.tenant_id, site.bob.id + 10 * BLOCK)
        unknown = await client.get(f"/c/{far}")
        assert (unknown.status_code, unknown.headers["retry-after"]) == (503, "5")
        while "wait for the store" not in caplog.text:
            await asyncio.sleep(0.01)
        away = False

    with caplog.at_level(logging.WARNING):
        site.run(act)
    assert site.kept()[1] == {"clicked": Tally(2, 2, 1), "opened": Tally(1, 1, 1)}


def test_what_is_not_tracking_is_the_applications(site: Site) -> None:
    async def act(client: httpx.AsyncClient) -> None:
        assert (await client.get("/health")).json() == {"status": "ok"}
        assert (await client.get("/cx")).json()["code"] == "not_found"

    site.run(act)


def test_on_postgresql_hits_are_kept_as_the_apps_role(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    from tests.servers import APP

    server: Any = request.getfixturevalue("postgres")
    url = server.url(request.getfixturevalue("migrated"), APP)
    configuration = read(tmp_path, {"DATABASE_URL": url, "COURIERX_PUBLIC_URL": "https://mail.example.com"})
    site = Site(build(configuration), configuration)

    async def act(client: httpx.AsyncClient) -> None:
        assert (await client.get(site.path("click", site.ann))).status_code == 302
        await client.get(site.path("open", site.bob))

    site.run(act)
    _, tally, states = site.kept()
    assert tally == {"clicked": Tally(1, 1, 1), "opened": Tally(1, 1, 1)}
    assert states == ["delivered", "delivered"]
