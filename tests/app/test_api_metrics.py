"""/metrics, read as Prometheus reads it: every family documented, what happened counted, and who may look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from courierx_app.sending import HiredWorker
from courierx_core.access import service as access
from courierx_core.courier import Courier
from courierx_core.errors import StoreError
from courierx_core.feedback.service import receive
from courierx_core.metrics.exposition import exposed
from courierx_core.metrics.model import (
    FAMILIES,
    HTTP_SECONDS,
    SECONDS,
    TRANSPORT_PAUSED,
    WORK_DUE,
    Distribution,
)
from courierx_core.ports.driver import utcnow
from courierx_core.ports.feedback import Feedback
from courierx_core.transports.service import pause

Client = TestClient[Litestar]
Found = dict[str, dict[tuple[str, ...], float]]


def scrape(client: Client) -> Found:
    """Read the page with Prometheus's own parser: family -> label values in our order -> value."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return parsed(answer.text)


def parsed(text: str) -> Found:
    known = {family.name: family for family in FAMILIES}
    found: Found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            declared = known.get(sample.name) or known[family.name]
            assert family.type == declared.kind
            assert family.documentation == declared.help
            key = tuple(sample.labels[label] for label in (*declared.labels, "le") if label in sample.labels)
            found.setdefault(sample.name, {})[key] = sample.value
    return found


@pytest.fixture
def sent(client: Client, tenant_id: int, courier: Courier) -> int:
    """A campaign to two people, sent; the message's id."""
    rows = "email\np0@x.example\np1@x.example\n"
    client.post("/subscribers/bulk-import", json={"tenant_id": tenant_id, "csv_text": rows})
    made = client.post("/campaigns", json={"tenant_id": tenant_id, "name": "n", "subject": "s", "body": "t"})
    path = f"/campaigns/{made.json()['id']}"
    client.post(f"{path}/send-now")
    assert scrape(client)["courierx_work_due"] == {("snapshot", "broadcast"): 1}
    with HiredWorker(courier, "test"):
        while client.get(path).json()["status"] != "completed":
            pass
    return int(made.json()["id"])


def test_what_was_sent_and_came_back_is_counted(
    client: Client, tenant_id: int, courier: Courier, sent: int
) -> None:
    logged = client.get(f"/email-logs/campaign/{sent}").json()
    told = Feedback(kind="complained", at=utcnow(), provider_id=logged[0]["message_id"],
                    recipient=logged[0]["recipient_email"])  # fmt: skip
    for _ in range(2):
        receive(courier, "mock", [told])
    found = scrape(client)
    tenant = str(tenant_id)
    assert found["courierx_deliveries_total"] == {(tenant, "mock", "accepted"): 2}
    assert found["courierx_feedback_total"] == {(tenant, "mock", "complained"): 1}
    assert found["courierx_notifications_total"]["broadcast", "sent"] >= 1
    assert found["courierx_workers"] == {(): 1}
    assert 0 <= found["courierx_worker_heartbeat_seconds"][()] < 60
    assert found["courierx_store_up"] == found["courierx_queue_up"] == {(): 1}
    assert found["courierx_needs_adoption"] == found["courierx_sweep_lag_seconds"] == {(): 0}
    assert "courierx_work_due" not in found
    assert scrape(client)["courierx_deliveries_total"] == found["courierx_deliveries_total"]


def test_a_paused_transport_shows(client: Client, courier: Courier) -> None:
    assert scrape(client)["courierx_transport_paused"] == {("mock",): 0}
    pause(courier, "mock", "too many complaints")
    assert scrape(client)["courierx_transport_paused"] == {("mock",): 1}


def test_requests_are_counted_by_route_and_class_and_never_by_what_a_client_makes_up(client: Client) -> None:
    for number in range(3):
        assert client.get(f"/campaigns/{number + 4711}").status_code == 404
        assert client.get(f"/nowhere/{number}").status_code == 404
        client.request(f"ODD{number}", "/campaigns")
    client.get("/health")
    found = scrape(client)
    counted = found["courierx_http_request_seconds_count"]
    assert counted["GET", "/campaigns/{campaign_id}", "4xx"] == 3
    assert counted["GET", "other", "4xx"] == 3
    assert sum(n for (method, *_), n in counted.items() if method == "other") == 3
    assert counted["GET", "/health", "2xx"] == 1
    assert scrape(client)["courierx_http_request_seconds_count"]["GET", "/metrics", "2xx"] == 1
    assert found["courierx_http_request_seconds_sum"]["GET", "/health", "2xx"] > 0
    assert found["courierx_http_request_seconds_bucket"]["GET", "/health", "2xx", "+Inf"] == 1


def test_a_bucket_counts_all_below_its_bound() -> None:
    taken = Distribution()
    for seconds in (0.005, 0.006, 0.3, 11.0):
        taken.add(seconds)
    found = parsed(exposed({HTTP_SECONDS: {("GET", "/health", "2xx"): taken}}))
    below = found["courierx_http_request_seconds_bucket"]
    assert [below["GET", "/health", "2xx", str(bound)] for bound in SECONDS] == [1, 2, 2, 2, 3, 3, 3, 3]
    assert below["GET", "/health", "2xx", "+Inf"] == 4


def test_without_the_store_it_says_so_and_what_was_counted_waits(
    api: Callable[..., Client], courier: Courier, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = api(dev=True)

    def away(**given: Any) -> Any:
        raise StoreError("the database is away")

    courier.queue.notify("tasks")
    with monkeypatch.context() as patched:
        patched.setattr(courier.store, "platform", away)
        found = scrape(client)
    assert found["courierx_store_up"] == {(): 0}
    assert set(found) == {"courierx_info", "courierx_store_up", "courierx_queue_up"}
    assert scrape(client)["courierx_store_up"] == {(): 1}


def test_it_takes_a_key_above_tenants(
    api: Callable[..., Client], client: Client, courier: Courier, tenant_id: int
) -> None:
    _, reader = access.create_key(courier.store, scopes=["metrics:read"])
    _, other = access.create_key(courier.store, scopes=["lists:read"])
    _, tenants = access.create_key(courier.store, tenant_id=tenant_id)
    assert api().get("/metrics").status_code == 401
    assert api(tenants).get("/metrics").status_code == 403
    assert api(other).get("/metrics").status_code == 403
    assert api(reader).get("/metrics").status_code == 200
    assert api(reader).get("/tenants").status_code == 403
    asked = client.post("/keys", json={"tenant_id": tenant_id, "scopes": ["metrics:read"]})
    assert asked.json()["errors"][0]["code"] == "not_allowed"


def test_the_text_keeps_what_labels_and_numbers_say() -> None:
    odd = 'a"b\\c\nd'
    text = exposed({TRANSPORT_PAUSED: {(odd,): True}, WORK_DUE: {("send", "broadcast"): 123456789.25}})
    assert parsed(text) == {
        "courierx_transport_paused": {(odd,): 1},
        "courierx_work_due": {("send", "broadcast"): 123456789.25},
    }
