"""A person taken out of everything, as every store must do it (SECURITY: S24)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from courierx_core.audience.model import MailingList, OptIn
from courierx_core.imports.model import BadLine, Import
from courierx_core.messages.model import Content
from courierx_core.ports.driver import utcnow
from courierx_core.ports.erasures import Erased
from courierx_core.ports.idempotency import IdempotentAnswer
from courierx_core.ports.reports import Frozen, Reason
from courierx_core.ports.store import Store
from courierx_core.suppression.model import Suppression
from courierx_core.testing.store_events import deliver, event
from courierx_core.testing.store_people import add_people
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.webhooks.model import Attempt, Call
from courierx_core.work import WorkItem

ANN = "ann@example.com"
BOB = "bob@example.com"


class ErasuresContract:
    def test_a_tenant_keeps_one_key_of_marks(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "Other")
        with store.begin(tenant) as unit:
            assert unit.erasures.key() is None
            assert unit.erasures.keep_key(b"sealed") == b"sealed"
            assert unit.erasures.keep_key(b"another") == b"sealed"
        with store.begin(tenant) as unit:
            assert unit.secrets.renew(bytes.upper) == 1
            assert unit.erasures.key() == b"SEALED"
        with store.begin(other) as unit:
            assert unit.erasures.key() is None

    def test_what_is_kept_of_a_person_goes_and_what_is_counted_stays(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            add_people(unit, ANN, BOB)
            sent, waiting = deliver(unit, ANN, BOB)
            unit.events.add(
                [
                    event(sent, "clicked", f"{ANN}-1", user_agent="Browser", reply=f"to {ANN}"),
                    event(waiting, "clicked", "2", user_agent="Browser"),
                ]
            )
            list_id = unit.lists.add(MailingList(tenant_id=tenant, name="News")).id
            for email in (ANN, BOB):
                unit.opt_ins.add(OptIn(tenant_id=tenant, list_id=list_id, email=email))
            unit.suppressions.add(Suppression(tenant_id=tenant, address=ANN))
            over = unit.imports.add(Import(tenant_id=tenant, state="done")).id
            unit.imports.note_errors(
                over, [BadLine(2, "Ann <Ann@Example.com>", "odd"), BadLine(3, BOB, "odd")]
            )
            unit.idempotency.add(IdempotentAnswer("a", b"1", 200, b'{"email":"ann@example.com"}'))
            unit.idempotency.add(IdempotentAnswer("b", b"1", 200, b'{"email":"bob@example.com"}'))
            attempts = [
                Attempt(at=utcnow(), seconds=0.5, status=500, response=f"who is {name}?")
                for name in (ANN, BOB)
            ]
            call = Call(tenant_id=tenant, webhook_id=1, type="test", attempts=tuple(attempts))
            unit.webhook_calls.add([call])
            done = new_message(unit)
            assert unit.messages.complete(done.id)
            said = [Reason("bounced", "5.1.1", "hard", 1, f"550 {name} unknown") for name in (ANN, BOB)]
            report = Frozen(reasons=said, events={}, domains=(), links=(), hours=())
            assert unit.pruning.freeze(done.id, report, before=utcnow() + timedelta(hours=1))
            before = unit.events.tally(sent.message_id)
        with store.begin(tenant) as unit:
            assert unit.erasures.hinders(ANN) == ""
            assert unit.erasures.erase(ANN) == Erased(
                subscribers=1, deliveries=1, events=1, opt_ins=1, import_errors=1, answers=1, messages=1
            )
        with store.begin(tenant) as unit:
            (called,) = unit.webhook_calls.list(1)
            assert called.attempts == (msgspec.structs.replace(attempts[0], response=""), attempts[1])
            frozen = unit.reports.frozen(done.id)
            assert frozen is not None
            assert [each.example for each in frozen.reasons] == ["", said[1].example]
            assert unit.subscribers.by_email(ANN) is None
            assert unit.subscribers.by_email(BOB) is not None
            gone = unit.deliveries.get(sent.id)
            assert (gone.address, gone.subscriber_id, gone.state) == ("", None, "cancelled")
            assert unit.deliveries.totals(sent.message_id) == {"queued": 1, "cancelled": 1}
            assert unit.deliveries.recount(sent.message_id) == {"queued": 1, "cancelled": 1}
            assert unit.deliveries.list(address=ANN) == []
            assert unit.events.tally(sent.message_id) == before
            (told,) = unit.events.list(delivery_id=sent.id)
            assert (told.recipient, told.user_agent, told.reply) == ("", "", "")
            assert ANN not in told.event_key
            assert [each.user_agent for each in unit.events.list(delivery_id=waiting.id)] == ["Browser"]
            assert [each.email for each in unit.opt_ins.list()] == [BOB]
            assert unit.suppressions.list() == []
            assert [each.line for each in unit.imports.errors(over)] == [3]
            answers = [unit.idempotency.get(key) for key in ("a", "b")]
            assert [each.body for each in answers if each] == [b"{}", b'{"email":"bob@example.com"}']
            assert unit.erasures.erase(ANN) == Erased()

    def test_a_message_to_one_is_emptied_and_of_one_to_several_the_address_taken_out(
        self, store: Store[Any]
    ) -> None:
        tenant = add_tenant(store)
        content = Content(
            from_email="shop@example.com",
            subject="Hello",
            text=f"For Ann at {ANN.upper()}",
            to=(f"Ann <{ANN}>", BOB),
            variables={"of": [{"mail": ANN}]},
            metadata={ANN: ANN},
        )
        with store.begin(tenant) as unit:
            alone = new_message(unit, stream="transactional", content=content)
            shared = new_message(unit, stream="transactional", content=content)
            mailing = new_message(unit, campaign_id=1, content=content)
            unit.deliveries.add(alone, [ANN])
            unit.deliveries.add(shared, [ANN, BOB])
            unit.deliveries.add(mailing, [ANN])
        with store.begin(tenant) as unit:
            assert unit.erasures.erase(ANN).messages == 2
        with store.begin(tenant) as unit:
            kept = unit.messages.get(alone.id).content
            assert kept == Content(from_email="shop@example.com", subject="")
            kept = unit.messages.get(shared.id).content
            assert ANN not in msgspec.json.encode(kept).decode().lower()
            assert (kept.to, kept.text) == ((BOB,), "For Ann at ")
            assert unit.messages.get(mailing.id).content == content

    def test_nobody_who_was_erased_is_mailed_again(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            message = new_message(unit)
            deliveries = unit.deliveries.add(message, [ANN, BOB], barred=[ANN])
            assert [(each.state, each.reason) for each in deliveries] == [
                ("suppressed", "manual"),
                ("queued", ""),
            ]
        with store.begin(tenant) as unit:
            delivery = unit.deliveries.lock(deliveries[1].id)
            unit.deliveries.prove(delivery, "uncertain", event(delivery, "other"))
            unit.erasures.erase(BOB)
        with store.begin(tenant) as unit:
            assert unit.deliveries.requeue(message.id, [deliveries[1].id]) == []

    def test_what_is_under_way_hinders(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            for each in (ANN, BOB):
                deliver(unit, each)
            unit.work.add(WorkItem(tenant_id=tenant, stream="broadcast", topic="snapshot", subject_id=77))
        ledger = store.ledger()
        try:
            (item,) = ledger.claim("w", limit=1, lease_seconds=60, topics=("send",))
            with store.begin(tenant) as unit:
                assert f"Message {item.subject_id} is just being sent" in unit.erasures.hinders(ANN)
                assert unit.erasures.hinders(BOB) == ""
            ledger.claim("w", limit=1, lease_seconds=60, topics=("snapshot",))
            with store.begin(tenant) as unit:
                assert "Message 77" in unit.erasures.hinders(BOB)
        finally:
            ledger.close()

    def test_an_import_that_is_not_over_hinders(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "Other")
        with store.begin(other) as unit:
            unit.imports.add(Import(tenant_id=other, state="working"))
        with store.begin(tenant) as unit:
            assert unit.erasures.hinders(ANN) == ""
            made = unit.imports.add(Import(tenant_id=tenant, state="waiting"))
            assert f"Import {made.id} " in unit.erasures.hinders(ANN)
            unit.imports.save(msgspec.structs.replace(made, state="done"), was="waiting")
            assert unit.erasures.hinders(ANN) == ""

    def test_nobody_elses_are_touched(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "Other")
        with store.begin(other) as unit:
            add_people(unit, ANN)
            (delivery,) = deliver(unit, ANN)
            unit.events.add([event(delivery, "opened", user_agent="Browser")])
            unit.idempotency.add(IdempotentAnswer("a", b"1", 200, ANN.encode()))
        with store.begin(tenant) as unit:
            assert unit.erasures.erase(ANN) == Erased()
        with store.begin(other) as unit:
            assert unit.subscribers.by_email(ANN) is not None
            assert unit.deliveries.get(delivery.id) == delivery
            assert unit.events.list(delivery_id=delivery.id)[0].recipient == ANN
            answer = unit.idempotency.get("a")
            assert answer is not None
            assert answer.body == ANN.encode()
