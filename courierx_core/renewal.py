"""The use case of secrets at rest: encrypt all of them anew under the newest secret (SECURITY: S19)."""

from __future__ import annotations

from typing import Any

from courierx_core.ports.store import Store
from courierx_core.secrets import SecretBox


def renew_secrets(store: Store[Any], box: SecretBox) -> int:
    """Encrypt everything that is encrypted at rest under the newest secret; return how many values.

    A transaction per tenant; a second run after a crash completes it. Afterwards the older secrets are
    needed only for links in mail that was sent. Raises ConfigError where a value cannot be decrypted.
    """
    renewed, before = 0, None
    with store.begin(0) as unit:
        renewed += unit.secrets.renew(box.renew)
    while True:
        with store.platform() as platform:
            tenants = platform.tenants.list(before=before, limit=1000)
        for tenant in tenants:
            with store.begin(tenant.id) as unit:
                renewed += unit.secrets.renew(box.renew)
        if not tenants:
            return renewed
        before = tenants[-1].id
