"""Double opt-in: one mail, a yes by POST and its proof; nothing by GET, nothing told to strangers (S23)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.public import subscribe
from courierx_core.courier import Courier
from courierx_core.feedback.service import named_by
from courierx_core.ports.limiter import Rate
from courierx_core.suppression.model import Suppression

Client = TestClient[Litestar]


class Page:
    """The public page of a list, and what came of it."""

    def __init__(self, client: Client, anyone: Client, courier: Courier, tenant_id: int) -> None:
        self.client, self.anyone, self.courier, self.tenant_id = client, anyone, courier, tenant_id
        new = {"tenant_id": tenant_id, "name": "News <1>", "public": True, "description": "Once a month."}
        self.list_id = client.post("/lists", json=new).json()["id"]
        self.path = f"/subscribe/{self.list_id}"

    def ask(self, email: str = "Ann@X.example", **fields: str) -> Any:
        headers = {"Accept-Language": "de"}
        return self.anyone.post(self.path, data={"email": email, **fields}, headers=headers)

    def mails(self) -> list[tuple[str, str, str]]:
        """Return recipient, subject and text of each confirmation mail, oldest first."""
        with self.courier.store.begin(self.tenant_id, write=False) as unit:
            found = [unit.messages.get(each.id) for each in unit.messages.list()]
            assert {each.stream for each in found} <= {"transactional"}
            shared = [each.content.variables for each in found]
            to = [unit.deliveries.list(message_id=each.id)[0].address for each in found]
        mails = zip(to, shared, strict=True)
        return [(address, str(each["subject"]), str(each["text"])) for address, each in mails][::-1]

    def link(self, at: int = -1) -> str:
        (path,) = re.findall(r"https://mail\.example\.com(/confirm/\S+)", self.mails()[at][2])
        return str(path)

    def opt_ins(self, **query: str) -> list[dict[str, Any]]:
        answer = self.client.get(f"/lists/{self.list_id}/opt-ins", params=query)
        assert answer.status_code == 200, answer.text
        return list(answer.json())

    def subscribed(self) -> list[dict[str, Any]]:
        return list(self.client.get(f"/lists/{self.list_id}/subscribers").json())


@pytest.fixture
def site(client: Client, api: Callable[..., Client], courier: Courier, tenant_id: int) -> Page:
    return Page(client, api(), courier, tenant_id)


def test_who_asks_is_on_the_list_once_they_say_yes(site: Page) -> None:
    shown = site.anyone.get(site.path)
    assert "Once a month." in shown.text
    assert "Subscribe to News &lt;1&gt;" in shown.text
    asked = site.ask(first_name="Ann", last_name="Ä{{ 7*7 }}")
    assert (asked.status_code, "Noch ein Schritt" in asked.text) == (200, True)
    ((to, subject, text),) = site.mails()
    assert (to, subject) == ("ann@x.example", "Bitte bestätigen Sie Ihr Abonnement von News <1>")
    assert "von Acme" in text
    assert (site.subscribed(), site.client.get(f"/subscribers?tenant_id={site.tenant_id}").json()) == ([], [])

    page = site.anyone.get(site.link())
    assert "Ja, senden Sie News &lt;1&gt; von Acme an a•••@x.example." in page.text
    for _ in range(2):
        answer = site.anyone.post(site.link(), headers={"Accept-Language": "fr"})
        assert (answer.status_code, "Sie sind angemeldet" in answer.text) == (200, True)
    (person,) = site.subscribed()
    assert (person["email"], person["first_name"]) == ("ann@x.example", "Ann")
    assert person["last_name"] == "Ä{{ 7*7 }}"
    assert person["attributes"] == {"language": "de"}
    assert "Sie sind angemeldet" in site.anyone.get(site.link()).text


def test_the_proof_of_consent_is_kept_and_shown(site: Page) -> None:
    site.ask()
    site.ask("bob@x.example")
    (bob, ann) = site.opt_ins()
    assert (ann["email"], ann["confirmed_at"], ann["asked_from"]) == ("ann@x.example", None, "testclient")
    site.anyone.post(site.link(0))
    (proof,) = site.opt_ins(email=" ANN@x.example")
    assert proof["text"] == (
        "Ja, senden Sie News <1> von Acme an a•••@x.example. Ich kann mich jederzeit abmelden."
    )
    assert proof["confirmed_from"] == "testclient"
    assert proof["asked_at"] <= proof["confirmed_at"]
    assert site.opt_ins(email="bob@x.example") == [bob]
    site.anyone.post(site.link(0), headers={"Accept-Language": "en"})
    assert site.opt_ins(email="ann@x.example") == [proof], "a second yes changes nothing"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
def test_no_other_method_asks_or_confirms(site: Page, method: str) -> None:
    site.ask()
    for path in (site.path, site.link()):
        answer = site.anyone.request(method, path)
        assert answer.status_code == {"GET": 200, "HEAD": 200, "OPTIONS": 204}.get(method, 405)
    assert (len(site.mails()), site.subscribed()) == (1, [])
    assert site.opt_ins()[0]["confirmed_at"] is None


def test_the_answer_tells_nobody_who_is_known(site: Page) -> None:
    first = site.ask().text
    site.anyone.post(site.link())
    with site.courier.store.begin(site.tenant_id) as unit:
        unit.suppressions.add(
            Suppression(tenant_id=site.tenant_id, address="gone@x.example", cause="hard_bounce")
        )
    for email in ("ann@x.example", "gone@x.example", "new@x.example"):
        assert site.ask(email).text == first
    states = [each["status"] for each in site.client.get(f"/email-logs?tenant_id={site.tenant_id}").json()]
    assert states == ["queued", "suppressed", "queued", "queued"], "who bounced gets none"


def test_one_address_gets_few_mails_whoever_asks(site: Page) -> None:
    for _ in range(6):
        assert site.ask().status_code == 200
    assert len(site.mails()) == 3
    site.ask("bob@x.example")
    assert len(site.mails()) == 4


def test_one_source_asks_for_few(site: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribe, "RATE", Rate(2, 3600, burst=2))
    answers = [site.ask(f"p{n}@x.example") for n in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 429, 429]
    assert "Zu viele" not in answers[0].text
    assert "zu viele Anfragen" in answers[2].text
    assert len(site.mails()) == 2


def test_a_robot_that_fills_every_field_gets_the_same_answer_and_no_mail(site: Page) -> None:
    person = site.ask().text
    assert site.ask("bot@x.example", website="https://spam.example").text == person
    assert [to for to, _, _ in site.mails()] == ["ann@x.example"]


@pytest.mark.parametrize(
    "email", ["", "no address", "a@b@c", "a@x.example\r\nBcc: b@x.example", "x" * 300 + "@x.example"]
)
def test_an_address_that_is_none_is_asked_for_again(site: Page, email: str) -> None:
    answer = site.ask(email)
    assert answer.status_code == 422
    assert "Bitte prüfen Sie die E-Mail-Adresse." in answer.text
    assert site.mails() == []


def test_only_public_lists_have_a_page(site: Page) -> None:
    site.client.patch(f"/lists/{site.list_id}", json={"public": False})
    for path in (site.path, f"/subscribe/{site.list_id + 1000}", "/subscribe/0", "/subscribe/" + "9" * 30):
        for method in ("GET", "POST"):
            assert site.anyone.request(method, path, data={"email": "a@x.example"}).status_code == 404
    assert site.opt_ins() == []


def test_only_a_true_and_fresh_link_confirms(site: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    site.ask()
    good = site.link()
    mint, number = site.courier.tokens.mint, site.opt_ins()[0]["id"]
    wrong = [
        good[:-1] + ("a" if good[-1] != "a" else "b"),
        "/confirm/" + mint("confirm", site.tenant_id + 1, number),
        "/confirm/" + mint("confirm", site.tenant_id, number + 1),
        "/confirm/" + mint("view", site.tenant_id, number), "/confirm/x",
    ]  # fmt: skip
    for path in wrong:
        for method in ("GET", "POST"):
            assert site.anyone.request(method, path).status_code == 404, path
    monkeypatch.setattr("courierx_core.audience.opt_in.ANSWER_WITHIN", -subscribe.opt_in.ANSWER_WITHIN)
    assert site.anyone.post(good).status_code == 404
    assert site.subscribed() == []


def test_a_confirmation_link_is_no_way_to_speak_of_a_delivery(site: Page) -> None:
    site.ask()
    with site.courier.store.begin(site.tenant_id, write=False) as unit:
        (delivery,) = unit.deliveries.list()
    number = site.opt_ins()[0]["id"]
    assert number == delivery.id
    assert named_by(site.courier, site.courier.tokens.mint("confirm", site.tenant_id, number)) is None


def test_a_yes_takes_back_an_unsubscribe_and_a_place_on_the_list_that_was_left(site: Page) -> None:
    person = {"tenant_id": site.tenant_id, "email": "ann@x.example", "first_name": "Known"}
    known = site.client.post("/subscribers", json=person).json()["id"]
    site.client.post(f"/lists/{site.list_id}/subscribers", json={"subscriber_ids": [known]})
    site.client.delete(f"/lists/{site.list_id}/subscribers", params={"subscriber_id": known})
    with site.courier.store.begin(site.tenant_id) as unit:
        unit.suppressions.add(
            Suppression(tenant_id=site.tenant_id, address="ann@x.example", cause="unsubscribe")
        )
    site.ask(first_name="Other")
    site.anyone.post(site.link())
    (found,) = site.subscribed()
    assert (found["id"], found["first_name"]) == (known, "Known")
    with site.courier.store.begin(site.tenant_id, write=False) as unit:
        assert unit.suppressions.list() == []


def test_without_a_sender_the_page_says_to_come_back_and_the_log_why(
    site: Page, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("courierx_core.senders.service.default_sender", lambda courier, unit: None)
    answer = site.ask()
    assert answer.status_code == 503
    assert "später noch einmal" in answer.text
    assert f"List {site.list_id} can confirm nobody" in caplog.text
    assert site.opt_ins() == []
