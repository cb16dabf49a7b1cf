"""No tenant sees or touches another's, whatever route there is (T01, T02), on both stores."""

from __future__ import annotations

from tests.app.tenants.probes import leaks
from tests.app.tenants.world import World


def test_no_operation_lets_a_tenant_at_what_is_anothers(world: World) -> None:
    found = list(leaks(world))
    assert not found, "\n".join(found)
    asked = {str(op) for op in world.operations}
    assert len(asked) > 50
    assert sum(len(op.slots()) for op in world.operations) > 60
