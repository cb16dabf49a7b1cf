"""Two tenants with everything a tenant can have, every text of theirs a canary."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

from courierx_core.access import service as access
from courierx_core.courier import Courier
from courierx_core.feedback.model import Event
from courierx_core.imports.model import BadLine, Import
from courierx_core.messages.model import Content
from courierx_core.templates.model import Template
from courierx_core.tenants.model import Tenant
from courierx_core.testing.store_samples import new_message
from courierx_sql.tables import OWNED, metadata
from tests.app.tenants.document import RAW, Operation, operations, query_of, sample

CANARY = "canary"
"""In every text of the other tenant, and in no answer to us."""
NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


class World:
    """`ours` and `theirs` are tenant ids; `ids[tenant][kind]` an object of each kind."""

    def __init__(self, courier: Courier, client: TestClient[Litestar]) -> None:
        self.courier, self.client = courier, client
        self.operations = operations(client.app)
        self.platform_key = access.create_key(courier.store, name="platform")[1]
        self.ids: dict[int, dict[str, Any]] = {}
        self.keys: dict[int, str] = {}
        self.ours, self.theirs = self._tenant("ours"), self._tenant(CANARY)

    def ask(
        self,
        op: Operation,
        *,
        key: str,
        path: Mapping[str, Any],
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        url = op.path
        for name, value in path.items():
            url = url.replace(f"{{{name}}}", str(value))
        sent: dict[str, Any] = {"json": body} if op.body_schema() else {}
        if str(op) in RAW:
            headers["Content-Type"], sent["content"] = RAW[str(op)]
        params = {**dict(query_of(op, self.ids[self.ours])), **(query or {})}
        return self.client.request(op.method, url, headers=headers, params=params, **sent)

    def rows(self, tenant_id: int) -> dict[str, Any]:
        """Read everything that a tenant owns."""
        found = {}
        with self.courier.store.begin(tenant_id, write=False) as unit:
            run = unit._rows.connection.execute  # type: ignore[attr-defined]
            for name in sorted(OWNED):
                table = metadata.tables[name]
                statement = select(table).where(table.c.tenant_id == tenant_id)
                found[name] = sorted(map(repr, run(statement)))
        return found

    def _tenant(self, word: str) -> int:
        courier = self.courier
        with courier.store.platform() as platform:
            made = platform.tenants.add(Tenant(name=word, contact_email=f"{word}@x.example"))
        self.ids[made.id] = {"tenant": made.id}
        self.keys[made.id] = access.create_key(courier.store, tenant_id=made.id, name=word)[1]
        self._make(made.id, word)
        self._store(made.id, word)
        return made.id

    def _make(self, tenant_id: int, word: str) -> None:
        """Make an object by every route that makes one: a POST beside a path that ends in its id."""
        ids = self.ids[tenant_id]
        shown = {op.path for op in self.operations}
        for op in self.operations:
            kinds = [path for path in shown if path.startswith(f"{op.path}/{{") and path.endswith("_id}")]
            if op.method != "POST" or "{" in op.path or not kinds or op.path == "/tenants":
                continue
            kind = kinds[0].rpartition("{")[2].removesuffix("_id}")
            headers = {"Authorization": f"Bearer {self.keys[tenant_id]}"}
            answer = self.client.post(op.path, json=sample(op, ids, word), headers=headers)
            assert answer.status_code < 300, (str(op), answer.text)
            ids[kind] = answer.json()["id"]
            if kind == "message":
                ids["delivery"] = answer.json()["deliveries"][0]["id"]
        ids["email"] = f"{word}-new@x.example"

    def _store(self, tenant_id: int, word: str) -> None:
        """Make what comes from elsewhere than a request: events, a broadcast message, a run's leavings."""
        ids = self.ids[tenant_id]
        with self.courier.store.begin(tenant_id) as unit:
            unit.lists.subscribe(ids["list"], [ids["subscriber"]])
            new_message(unit, content=Content(from_email=f"{word}@x.example", subject=word))
            unit.events.add(
                [
                    Event(
                        tenant_id=tenant_id, at=NOON, kind="bounced", message_id=ids["message"],
                        delivery_id=ids["delivery"], recipient=ids["email"], source=word, event_key="1",
                        reply=f"550 {word}",
                    )
                ]
            )  # fmt: skip
            ids["template"] = unit.templates.add(
                Template(tenant_id=tenant_id, name=word + " of old", subject=word, text=word)
            ).id
            ids["import"] = unit.imports.add(Import(tenant_id=tenant_id, file_name=word, state="done")).id
            unit.imports.note_errors(ids["import"], [BadLine(2, f"{word}@", word)])
            unit.files.put(unit.files.new(), 0, word.encode())
            unit.audit.add("made", word, {"word": word}, actor=word)
