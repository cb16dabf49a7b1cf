"""The platform on each store, assembled by hand so that a test can put its own pieces in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from courierx_core.audience.model import NewSubscriber
from courierx_core.campaigns import service as campaigns
from courierx_core.campaigns.model import Campaign
from courierx_core.campaigns.service import Report
from courierx_core.courier import Courier, Policy
from courierx_core.domains import service as domains
from courierx_core.domains.keys import new_keys
from courierx_core.hooks import Hooks
from courierx_core.mail.token import TokenKeys
from courierx_core.plugins import TRANSPORTS, register
from courierx_core.ports.driver import Runtime
from courierx_core.ports.store import Store
from courierx_core.ports.transport import Transport
from courierx_core.secrets import SecretBox
from courierx_core.tenants.model import Tenant
from courierx_core.transports.own import OwnTransports
from courierx_core.transports.routes import Route
from courierx_core.worker import Worker
from courierx_embedded.limiter import LocalLimiter
from courierx_embedded.queue import EmbeddedQueue
from courierx_smtp.transport import SmtpTransport
from tests.plugins.conftest import migrated, postgres, postgresql_store, sqlite_store

__all__ = ["migrated", "postgres", "postgresql_store", "sqlite_store"]

WAIT_SECONDS = 60.0


class Platform:
    """A Courier with a tenant, and verbs that tests use."""

    def __init__(self, courier: Courier, name: str = "Acme") -> None:
        self.courier = courier
        with courier.store.platform() as platform:
            self.tenant_id = platform.tenants.add(Tenant(name=name, contact_email="a@acme.example")).id

    def people(self, *addresses: str) -> None:
        with self.courier.store.begin(self.tenant_id) as unit:
            unit.subscribers.import_rows([NewSubscriber(address, "Ann") for address in addresses])

    def draft(self, **parts: Any) -> Campaign:
        given = {
            "subject": "Hi {{ first_name }}",
            "text": "Dear {{ first_name }}",
            "transport": "smtp",
            **parts,
        }
        draft = Campaign(tenant_id=self.tenant_id, name="News", from_email="news@acme.example", **given)
        with self.courier.store.begin(self.tenant_id) as unit:
            return campaigns.create(self.courier, unit, draft)

    def start(self, **parts: Any) -> int:
        """Create and start a campaign; return its id."""
        campaign_id = self.draft(**parts).id
        campaigns.start(self.courier, self.tenant_id, campaign_id)
        return campaign_id

    def report(self, campaign_id: int) -> Report:
        with self.courier.store.begin(self.tenant_id, write=False) as unit:
            return campaigns.report(unit, campaign_id)

    def recount(self, campaign_id: int) -> Mapping[str, int]:
        with self.courier.store.begin(self.tenant_id, write=False) as unit:
            message_id = unit.campaigns.get(campaign_id).message_id
            assert message_id is not None
            return unit.deliveries.recount(message_id)

    def wait(
        self, campaign_id: int, until: Callable[[Report], bool], seconds: float = WAIT_SECONDS
    ) -> Report:
        """Wait for a report; a deadline, not a pace."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            now = self.report(campaign_id)
            if until(now):
                return now
            time.sleep(0.02)
        raise AssertionError(f"not reached within {seconds} s: {self.report(campaign_id)}")

    def finish(self, campaign_id: int) -> Report:
        return self.wait(campaign_id, lambda report: report.status == "completed")

    def wait_for(self, *message_ids: int) -> None:
        """Wait until messages are completed, each."""
        deadline = time.monotonic() + WAIT_SECONDS
        left = list(message_ids)
        while left and time.monotonic() < deadline:
            with self.courier.store.begin(self.tenant_id, write=False) as unit:
                left = [each for each in left if unit.messages.get(each).completed_at is None]
            time.sleep(0.02)
        assert not left

    def published(self, name: str) -> dict[bytes, bytes]:
        """Add a sender domain whose keys have been found; return its DKIM records by name."""
        with self.courier.store.begin(self.tenant_id) as unit:
            added = domains.add(self.courier, unit, name, new_keys())
            unit.work.end(added.id, topics=("domain_check",))
            keys = tuple(msgspec.structs.replace(key, published=True) for key in added.keys)
            unit.domains.save(msgspec.structs.replace(added, keys=keys, status="verified"))
        return {
            each.name.encode(): each.expected.encode()
            for each in domains.records(self.courier, added)
            if each.kind == "dkim"
        }

    def worker(self) -> RunningWorker:
        return RunningWorker(self.courier)


class RunningWorker:
    """A worker in a thread, for the length of a with block."""

    def __init__(self, courier: Courier) -> None:
        self.stop = threading.Event()
        worker = Worker(courier, "test")
        self._thread = threading.Thread(target=worker.run, args=(self.stop,))

    def __enter__(self) -> RunningWorker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store[Any]:
    found: Store[Any] = request.getfixturevalue(f"{request.param}_store")
    return found


@pytest.fixture
def assemble(store: Store[Any], tmp_path: Path) -> Iterator[Callable[..., Platform]]:
    """Build a platform: `assemble(transport, window=..., hooks=..., ...policy)`."""
    runtime = Runtime(folder=tmp_path, public_url="https://mail.acme.example", secrets=SecretBox(["k" * 40]))
    made: list[Courier] = []

    def build(
        *transports: Transport[Any],
        hooks: Hooks | None = None,
        routes: Mapping[str, Route] | None = None,
        **policy: Any,
    ) -> Platform:
        settings = {"default_transport": "smtp", "retry_schedule": (0.2, 0.2, 0.2), "lease_seconds": 6.0}
        courier = Courier(
            store=store,
            queue=EmbeddedQueue("embedded", EmbeddedQueue.Config(), runtime),
            limiter=LocalLimiter("local", LocalLimiter.Config(), runtime),
            transports={transport.name: transport for transport in transports},
            own_transports=OwnTransports(TRANSPORTS.load),
            routes=routes or {},
            hooks=hooks or register(),
            tokens=TokenKeys(["k" * 40]),
            runtime=runtime,
            policy=msgspec.convert({**settings, **policy}, Policy),
        )
        made.append(courier)
        return Platform(courier)

    yield build
    for courier in made:
        courier.queue.close()
        courier.limiter.close()


@pytest.fixture
def smtp_transport(tmp_path: Path) -> Callable[..., SmtpTransport]:
    def build(url: str, name: str = "smtp", **table: Any) -> SmtpTransport:
        from courierx_core.config import load

        config = load(SmtpTransport.Config, table=table, environ={"SMTP_URL": url}, where="the test")
        return SmtpTransport(name, config, Runtime(folder=tmp_path))

    return build
