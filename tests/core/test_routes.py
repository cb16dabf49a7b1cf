"""A route's choice: shares that hold, others in order, and nobody's circumstances but those it is told."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.delivery.health import BACKOFF_SECONDS, Health
from courierx_core.transports.routes import Route

NAMES = ("a", "b", "c", "d")
RESTS = st.sampled_from((0.0, 0.0, 1.0, 60.0, math.inf))


@st.composite
def routes(draw: st.DrawFn) -> Route:
    names = draw(st.permutations(NAMES))
    shared = draw(st.integers(1, len(names)))
    weights = {name: draw(st.integers(1, 1000)) for name in names[:shared]}
    return Route(transports=weights, failover=tuple(names[shared:]))


@given(routes(), st.dictionaries(st.sampled_from(NAMES), RESTS), st.integers(1, 2**62))
def test_what_can_be_used_is_chosen_the_shared_ones_first(
    route: Route, rests: dict[str, float], item_id: int
) -> None:
    def rest(name: str) -> float:
        return rests.get(name, 0.0)

    chosen = route.choose(item_id, rest)
    assert chosen == route.choose(item_id, rest)
    shared = {name for name in route.transports if not rest(name)}
    others = [name for name in route.failover if not rest(name)]
    if shared:
        assert chosen in shared
    elif others:
        assert chosen == others[0]
    elif any(rest(name) < math.inf for name in route.names):
        assert chosen is not None
        assert rest(chosen) == min(map(rest, route.names))
    else:
        assert chosen is None


@given(routes(), st.integers(1, 2**62))
def test_items_in_a_row_are_shared_by_weight(route: Route, first: int) -> None:
    total = sum(route.transports.values())
    n = 400
    found = Counter(route.choose(each, lambda _: 0.0) for each in range(first, first + n))
    for name, weight in route.transports.items():
        assert abs(found[name] - n * weight / total) <= 6


@pytest.mark.parametrize(("weights", "failover"), [({}, ()), ({"a": 1}, ("a",)), ({"a": 1}, ("b", "c", "b"))])
def test_a_route_takes_each_transport_once_and_one_at_least(
    weights: dict[str, int], failover: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match=r"a route (needs|takes)"):
        Route(transports=weights, failover=failover)


def test_outages_in_a_row_take_longer_until_one_message_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    health = Health()
    assert health.left() == 0
    for seconds in (*BACKOFF_SECONDS, BACKOFF_SECONDS[-1]):
        assert health.backoff() == seconds
        health.rest(health.backoff())
        assert health.left() == seconds
        now += seconds
        assert health.left() == 0
    health.works()
    assert health.backoff() == BACKOFF_SECONDS[0]
