"""The use case of secrets at rest: encrypt all of them anew under the newest secret (SECURITY: S19)."""

from __future__ import annotations

from typing import Any

from courierx_core.ports.store import Store
from courierx_core.secrets import SecretBox
from courierx_core.suppression.model import PLATFORM_WIDE
from courierx_core.tenants.service import everyone


def renew_secrets(store: Store[Any], box: SecretBox) -> int:
    """Encrypt everything that is encrypted at rest under the newest secret; return how many values.

    A transaction per tenant; a second run after a crash completes it. Afterwards the older secrets are
    needed only for links in mail that was sent. Raises ConfigError where a value cannot be decrypted.
    """
    renewed = 0
    for tenant_id in (PLATFORM_WIDE, *(tenant.id for tenant in everyone(store))):
        with store.begin(tenant_id) as unit:
            renewed += unit.secrets.renew(box.renew)
    return renewed
