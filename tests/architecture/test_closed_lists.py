"""Lists that grow only on purpose: whoever adds a name changes this file too, and says why in the commit."""

from __future__ import annotations

from typing import get_args, get_type_hints

from courierx_core.campaigns.progress import WAITING, WaitingCode
from courierx_core.delivery.model import STATES, DeliveryState
from courierx_core.plugins import SLOTS
from courierx_core.ports.ledger import Ledger
from courierx_core.ports.platform import PlatformUnit
from courierx_core.ports.store import Store, UnitOfWork
from courierx_core.work import Topic


def offers(port: type) -> set[str]:
    """Name what a port offers: its methods, properties and repositories."""
    return {
        name for name in (*vars(port), *vars(port).get("__annotations__", ())) if not name.startswith("_")
    }


def test_what_comes_before_or_above_a_tenant() -> None:
    # DESIGN section 7: anything here can see across tenants.
    assert offers(PlatformUnit) == {
        "tenants", "keys", "idempotency", "owner_of", "installation", "save_installation", "beat", "workers",
        "delivery_of", "messages_of", "tenants_with_work", "transports", "keep", "disown",
        "metrics", "old_links", "left_out",
    }  # fmt: skip


def test_the_hot_path() -> None:
    assert offers(Ledger) == {"claim", "renew", "read", "window", "sweep", "next_due", "close"}


def test_the_repositories_of_a_tenant() -> None:
    assert offers(UnitOfWork) == {
        "tenant_id", "tenant", "subscribers", "lists", "opt_ins", "segments", "suppressions", "templates",
        "campaigns", "messages", "deliveries", "events", "work", "keys", "audit", "idempotency", "secrets",
        "imports", "files", "senders", "domains", "reports", "erasures", "upkeep", "pruning", "quotas",
        "own_transports",
        "webhooks", "webhook_calls",
    }  # fmt: skip


def test_what_a_store_does() -> None:
    assert offers(Store) == {
        "begin",
        "platform",
        "key",
        "ledger",
        "upgrade",
        "revision",
        "outdated",
        "copy_from",
        "backup",
        "restore",
    }


def test_the_window_names_its_tenant() -> None:
    assert "tenant_id" in get_type_hints(Ledger.window)


def test_the_slots() -> None:
    assert {slot.group for slot in SLOTS} == {
        "courierx.transports", "courierx.feedback", "courierx.queues", "courierx.stores", "courierx.limiters",
        "courierx.resolvers",
    }  # fmt: skip


def test_the_states_of_a_delivery() -> None:
    assert get_args(DeliveryState) == STATES
    assert len(STATES) == 11


def test_what_a_campaign_waits_for() -> None:
    assert set(get_args(WaitingCode)) == set(WAITING)
    assert set(WAITING) == {
        "no_worker", "transport_rate", "domain_rate", "warmup", "transport_paused", "quota",
        "sender_unverified", "deferred_until", "lease", "preparing", "needs_adoption", "plugin", "resend",
    }  # fmt: skip


def test_the_topics_of_background_work() -> None:
    assert set(get_args(Topic)) == {
        "snapshot", "send", "resend", "refusal", "schedule", "import", "export", "webhook", "hook",
        "domain_check", "erase", "prune",
    }  # fmt: skip
