"""Scopes: what a key may do, a resource and an act each. The list is closed; a key without scopes may
do everything that its kind of key (a tenant's or the platform's) can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

PLATFORM = "platform"
"""The scope of what changes tenants themselves."""
METRICS = "metrics:read"
"""The scope of what a monitoring system reads, over all tenants."""
ABOVE_TENANTS = frozenset({PLATFORM, METRICS})
"""Scopes that only a platform key can have."""

SCOPES: Mapping[str, str] = {
    "tenants:read": "Show tenants; a tenant's key its own.",
    "tenants:write": "Change a tenant's name and addresses.",
    "subscribers:read": "Show people.",
    "subscribers:write": "Add, change and remove people.",
    "subscribers:erase": "Erase a person for good.",
    "imports:read": "Show imports and their errors.",
    "imports:write": "Import people, and cancel an import.",
    "exports:read": "Take people, logs and suppressions out as files.",
    "lists:read": "Show lists and who is on them.",
    "lists:write": "Make, fill and remove lists.",
    "segments:read": "Show segments and count them.",
    "segments:write": "Make, change and remove segments.",
    "suppression:read": "Show suppressed addresses.",
    "suppression:write": "Suppress addresses, and let them get mail again.",
    "templates:read": "Show templates and try them.",
    "templates:write": "Write and remove templates.",
    "campaigns:read": "Show campaigns, previews, progress and reports.",
    "campaigns:write": "Write and remove campaigns.",
    "campaigns:send": "Start, schedule, test, pause, resume and cancel campaigns.",
    "messages:read": "Show transactional messages.",
    "messages:send": "Send transactional messages, and cancel them.",
    "deliveries:read": "Show deliveries and the log.",
    "deliveries:send": "Send chosen deliveries again.",
    "events:read": "Show what came back: opens, clicks, bounces.",
    "senders:read": "Show senders.",
    "senders:write": "Add, verify and remove senders.",
    "domains:read": "Show sender domains and their records.",
    "domains:write": "Add and verify sender domains.",
    "transports:read": "Show transports.",
    "transports:write": "Pause, resume and check transports.",
    "webhooks:read": "Show webhooks and their log.",
    "webhooks:write": "Add, change, test and remove webhooks.",
    "keys:read": "Show keys, without their secrets.",
    "keys:write": "Make, rotate and revoke keys.",
    "audit:read": "Show who changed what.",
    METRICS: "Read the metrics of the whole install; only a platform key can have it.",
    PLATFORM: "Add and remove tenants; only a platform key can have it.",
}


def allowed(scopes: Iterable[str], *, platform: bool) -> frozenset[str]:
    """Return what a key with these scopes may do; no scopes are all that its kind can have."""
    given = frozenset(scopes) or frozenset(SCOPES)
    return given if platform else given - ABOVE_TENANTS
