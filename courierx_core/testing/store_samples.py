"""The smallest rows a store's contract works with."""

from __future__ import annotations

from typing import Any

from courierx_core.messages.model import Content, Message
from courierx_core.ports.store import Store, UnitOfWork
from courierx_core.tenants.model import Tenant


def add_tenant(store: Store[Any], name: str = "Acme", **fields: Any) -> int:
    with store.platform() as unit:
        return unit.tenants.add(Tenant(name=name, contact_email="owner@example.com", **fields)).id


def new_message(unit: UnitOfWork, **fields: Any) -> Message:
    """Add a broadcast message, unless `fields` say otherwise."""
    content = Content(from_email="sender@example.com", subject="Hello")
    values: dict[str, Any] = {"stream": "broadcast", "transport": "mock", "content": content, **fields}
    return unit.messages.add(Message(tenant_id=unit.tenant_id, **values))
