"""The assembled system as use cases see it: what was chosen by configuration, in one value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from courierx_core.errors import ConfigError, NotFound
from courierx_core.metrics.tallies import Tallies
from courierx_core.ports.driver import Runtime
from courierx_core.ports.feedback import FeedbackSource
from courierx_core.ports.limiter import Limiter, Rate
from courierx_core.ports.queue import Queue
from courierx_core.ports.resolver import Resolver
from courierx_core.ports.store import Store
from courierx_core.ports.transport import Transport
from courierx_core.secrets import SecretBox
from courierx_core.transports.own import OwnTransports
from courierx_core.transports.routes import Route
from courierx_core.transports.warmup import Warmup

if TYPE_CHECKING:
    from courierx_core.hooks import Hooks
    from courierx_core.mail.token import TokenKeys


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How this install sends. All times in seconds."""

    default_transport: str = "mock"
    default_sender: str = ""
    """The From of a campaign whose tenant has none (SES_SENDER_EMAIL)."""
    operator_email: str = ""
    """Who is told when a transport is paused or a webhook is disabled (COURIERX_OPERATOR_EMAIL)."""
    window: int = 200
    """Intended minus recorded per worker: the most a kill can leave uncertain (COURIERX_WINDOW)."""
    lease_seconds: float = 60.0
    retry_schedule: tuple[float, ...] = (60, 300, 900, 3600, 10800)
    """Delays after the 1st, 2nd, ... deferral; then `retry_tail` until `retry_until`."""
    retry_tail: float = 4 * 3600
    retry_until: float = 72 * 3600
    transactional_ttl: float = 24 * 3600
    max_lateness: float = 3600
    return_path: str = ""
    """Domain of VERP return paths; '' uses the From address."""
    unsubscribe_mail: bool = True
    """Offer to unsubscribe by a mail to the return path's domain too (COURIERX_UNSUBSCRIBE_MAIL)."""
    spf: str = ""
    """SPF mechanisms of the hosts mail leaves from (COURIERX_SPF)."""
    retention_days: int = 0
    """Days that deliveries are kept once their message is completed; 0: always (COURIERX_RETENTION_DAYS)."""
    audit_retention_days: int = 0
    """Days that the audit log is kept; 0: always (COURIERX_AUDIT_RETENTION_DAYS)."""
    domain_rates: Mapping[str, Rate] = {}
    """What recipients' domains are sent at most, over each transport by itself ([rates])."""
    warmups: Mapping[str, Warmup] = {}
    """Transports whose days are capped until they are known ([warmup.NAME])."""
    webhook_networks: tuple[str, ...] = ()
    """What is not public and webhooks may lead to all the same (COURIERX_WEBHOOK_NETWORKS)."""


class Courier(msgspec.Struct, frozen=True, kw_only=True):
    """One process's assembly. Built in one place (the app's container), passed to every use case."""

    store: Store[Any]
    queue: Queue[Any]
    limiter: Limiter[Any]
    resolver: Resolver[Any] | None = None
    """None where COURIERX_RESOLVER names none."""
    transports: Mapping[str, Transport[Any]]
    routes: Mapping[str, Route] = {}
    """By name, none of which is a transport's."""
    own_transports: OwnTransports = msgspec.field(default_factory=OwnTransports)
    feedback: Mapping[str, FeedbackSource[Any]] = {}
    """By the name in their URL: a transport's, or their own where no transport is called so."""
    hooks: Hooks
    tokens: TokenKeys
    runtime: Runtime
    policy: Policy = Policy()
    tallies: Tallies = msgspec.field(default_factory=Tallies)
    """What this process counts for metrics."""

    @property
    def secrets(self) -> SecretBox:
        """Return what encrypts at rest. Raises ConfigError where this process was built without."""
        if self.runtime.secrets is None:
            raise ConfigError("This process has no COURIERX_SECRET_KEY, so it can keep no secret.")
        return self.runtime.secrets

    def ways(self, name: str) -> tuple[str, ...]:
        """Return the transports that what names `name` may go over: itself, or its route's; () is none."""
        route = self.routes.get(name)
        if route is not None:
            return route.names
        return (name,) if self.find_transport(name) is not None else ()

    def find_transport(self, name: str) -> Transport[Any] | None:
        """Return the transport of that name: the platform's, or a tenant's own by its whole name (as of some
        seconds ago). Raises StoreError."""
        return self.transports.get(name) or self.own_transports.get(self.store, self.runtime, name)

    def transport(self, name: str) -> Transport[Any]:
        """Return a transport that `ways` gave. Raises NotFound where it was taken away since."""
        found = self.find_transport(name)
        if found is None:
            raise NotFound(f"There is no transport called {name!r} any more.")
        return found

    @property
    def ways_known(self) -> str:
        """Say what a message may name: transports and routes, by name; 'none' where there is nothing."""
        return ", ".join([*self.transports, *self.routes]) or "none"

    def startup(self) -> None:
        """Tell every hook plugin that the process is assembled. Raises PluginError: it must not start."""
        self.hooks.startup(self)

    def close(self) -> None:
        """Write what was counted, and close every driver; safe to call twice."""
        self.tallies.write(self.store)
        for source in self.feedback.values():
            source.close()
        for transport in self.transports.values():
            transport.close()
        self.own_transports.close()
        self.queue.close()
        self.limiter.close()
        if self.resolver is not None:
            self.resolver.close()
        self.store.close()
