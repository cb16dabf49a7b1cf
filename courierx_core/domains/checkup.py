"""What `courierx doctor` says of sender domains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from courierx_core.domains.model import DomainStatus
from courierx_core.ports.driver import Problem
from courierx_core.ports.store import Store

MOST = 1000
"""Tenants, and domains of each, that are looked at: the newest."""


def checkup(store: Store[Any], *, can_look: bool) -> list[Problem]:
    """Name the domains that are not verified; `can_look`: a resolver is configured."""
    found = list(_unverified(store))
    problems = [
        Problem(
            "warning",
            "domain_failing",
            f"{domain} of tenant {tenant_id} was verified; its DKIM record is gone and its mail unsigned.",
            f"Publish what `courierx domains records {domain} --tenant {tenant_id}` shows.",
        )
        for tenant_id, domain, status in found
        if status == "failing"
    ]
    if found and not can_look:
        text = f"{len(found)} sender domains wait to be verified, and nothing looks them up."
        remedy = "Install 'courierx[dns]' and set COURIERX_RESOLVER=dns."
        problems.append(Problem("warning", "no_resolver", text, remedy))
    elif found:
        names = ", ".join(domain for _tenant, domain, _status in found[:5])
        problems.append(
            Problem("info", "domains", f"{len(found)} sender domains are not verified ({names} ...).")
        )
    return problems


def _unverified(store: Store[Any]) -> Iterator[tuple[int, str, DomainStatus]]:
    with store.platform(write=False) as platform:
        tenants = platform.tenants.list(limit=MOST)
    for tenant in tenants:
        with store.begin(tenant.id, write=False) as unit:
            for domain in unit.domains.list(limit=MOST):
                if domain.status != "verified":
                    yield tenant.id, domain.domain, domain.status
