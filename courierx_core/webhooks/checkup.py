"""What `courierx doctor` says of webhooks, named by their ids: an address of theirs may hold a secret."""

from __future__ import annotations

from typing import Any

from courierx_core.ports.driver import Problem
from courierx_core.ports.store import Store
from courierx_core.tenants.service import everyone
from courierx_core.webhooks.model import DISABLED_AFTER, Webhook
from courierx_core.webhooks.service import MOST


def checkup(store: Store[Any]) -> list[Problem]:
    """Name the receivers that take nothing, and those that were disabled for it."""
    found: list[Problem] = []
    for tenant in everyone(store):
        with store.begin(tenant.id, write=False) as unit:
            webhooks = unit.webhooks.list(limit=MOST)
        found += [problem for problem in map(_problem, webhooks) if problem]
    return found


def _problem(webhook: Webhook) -> Problem | None:
    name = f"webhook {webhook.id} of tenant {webhook.tenant_id}"
    command, naming = "courierx webhooks", f"{webhook.id} --tenant {webhook.tenant_id}"
    if webhook.status == "disabled" and webhook.disabled_reason:  # not by a person
        text = f"{name} is no longer called. {webhook.disabled_reason}"
        return Problem("warning", "webhook_disabled", text, f"Once it is mended: {command} enable {naming}")
    if webhook.status == "enabled" and webhook.failing_since:
        text = (
            f"{name} has taken nothing since {webhook.failing_since:%Y-%m-%d %H:%M} UTC;"
            f" after {DISABLED_AFTER.days} days it is disabled."
        )
        return Problem("warning", "webhook_failing", text, f"See: {command} log {naming}")
    return None
