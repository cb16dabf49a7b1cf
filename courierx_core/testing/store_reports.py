"""A message's rows and events, grouped for a report, as every store must group them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from courierx_core.feedback.model import Event, FeedbackKind
from courierx_core.ports.reports import DomainLine, Hour, LinkLine, Tally
from courierx_core.ports.store import Store
from courierx_core.suppression.model import Suppression
from courierx_core.testing.store_samples import add_tenant, new_message

NINE = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)
SHOP, HOME = "https://acme.example/shop?a=1&b=%22", "https://acme.example/"


class ReportContract:
    def test_rows_and_events_are_grouped_for_a_report(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store, "one"), add_tenant(store, "two")
        with store.begin(tenant) as unit:
            unit.suppressions.add(Suppression(tenant_id=tenant, address="b@big.example"))
            message = new_message(unit)
            people = ["a@big.example", "b@big.example", "c@small.example", "d@big.example"]
            a, b, *_ = unit.deliveries.add(message, people)
            clicks = [(a.id, SHOP, False), (a.id, SHOP, False), (b.id, SHOP, True), (b.id, HOME, False)]
            told: list[tuple[FeedbackKind, int, str, bool, datetime]] = [
                ("clicked", delivery, url, machine, NINE + timedelta(minutes=30 * n + 29, seconds=59.5))
                for n, (delivery, url, machine) in enumerate(clicks)
            ]
            told += [("delivered", a.id, "", False, NINE), ("delivered", b.id, "", False, NINE)]
            unit.events.add(
                [
                    Event(
                        tenant_id=tenant,
                        at=at,
                        kind=kind,
                        message_id=message.id,
                        delivery_id=delivery,
                        recipient="x@big.example",
                        source="t",
                        event_key=str(n),
                        url=url,
                        machine=machine,
                    )
                    for n, (kind, delivery, url, machine, at) in enumerate(told)
                ]
            )
        with store.begin(tenant, write=False) as unit:
            assert unit.reports.domains(message.id) == [
                DomainLine(domain="big.example", audience=3, states={"queued": 2, "suppressed": 1}),
                DomainLine(domain="small.example", audience=1, states={"queued": 1}),
            ]
            assert [each.domain for each in unit.reports.domains(message.id, limit=1)] == ["big.example"]
            assert unit.reports.links(message.id) == [
                LinkLine(url=SHOP, all=3, human=2, people=1),
                LinkLine(url=HOME, all=1, human=1, people=1),
            ]
            assert unit.reports.hours(message.id) == [
                Hour(at=NINE, events={"clicked": 2, "delivered": 2}),
                Hour(at=NINE + timedelta(hours=1), events={"clicked": 2}),
            ]
            assert len(unit.reports.hours(message.id, limit=1)) == 1
            late = unit.events.tally(message.id, since=NINE + timedelta(hours=1))
            assert late == {"clicked": Tally(2, 1, 1)}
            assert unit.events.tally(message.id, since=NINE + timedelta(hours=3)) == {}
        with store.begin(other, write=False) as unit:
            found = (unit.reports.domains, unit.reports.links, unit.reports.hours)
            assert [list(each(message.id)) for each in found] == [[], [], []]
