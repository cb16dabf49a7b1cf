"""Unsubscribe and preference pages: one click by POST, nothing by GET, in the reader's language (S11)."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.public.page import COLOUR
from courierx_app.public.words import catalogue, words
from courierx_core.courier import Courier
from courierx_core.errors import StoreError
from courierx_core.mail.token import Kind
from courierx_core.suppression.model import Suppression
from courierx_core.testing.store_samples import new_message

Client = TestClient[Litestar]

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
BRANDING = {
    "name": "Acme <News>", "language": "DE", "colour": "#0A7B3E", "logo_url": "https://acme.example/logo.png",
    "home_url": "https://acme.example", "imprint": "Acme & Sons, 1 Road",
}  # fmt: skip


class Reader:
    """Ann, who got a mailing, and the links in it."""

    def __init__(self, client: Client, courier: Courier, tenant_id: int) -> None:
        self.client, self.courier, self.tenant_id = client, courier, tenant_id
        person = {"tenant_id": tenant_id, "email": "ann@x.example"}
        self.id = client.post("/subscribers", json=person).json()["id"]
        with courier.store.begin(tenant_id) as unit:
            (delivery,) = unit.deliveries.add(new_message(unit), ["ann@x.example"], subscriber_ids=[self.id])
        self.delivery_id = delivery.id

    def path(self, kind: Kind) -> str:
        token = self.courier.tokens.mint(kind, self.tenant_id, self.delivery_id)
        return f"/{kind[0]}/{token}"

    def suppressed(self) -> list[str]:
        with self.courier.store.begin(self.tenant_id, write=False) as unit:
            return [each.cause for each in unit.suppressions.list(address="ann@x.example")]

    def unsubscribes(self) -> int:
        events = self.client.get(f"/deliveries/{self.delivery_id}/events").json()
        return [event["kind"] for event in events].count("unsubscribed")

    def lists(self) -> dict[str, int]:
        found = self.client.get("/lists", params={"tenant_id": self.tenant_id}).json()
        return {each["name"]: each["subscribers"] for each in found}

    def add_list(self, name: str, *, public: bool = True, on: bool = False) -> int:
        new = {"tenant_id": self.tenant_id, "name": name, "public": public, "description": f"About {name}."}
        made = self.client.post("/lists", json=new).json()["id"]
        if on:
            self.client.post(f"/lists/{made}/subscribers", json={"subscriber_ids": [self.id]})
        return int(made)


@pytest.fixture
def reader(client: Client, courier: Courier, tenant_id: int) -> Reader:
    return Reader(client, courier, tenant_id)


@pytest.fixture
def anyone(api: Callable[..., Client]) -> Client:
    return api()


@pytest.mark.parametrize(
    "body",
    [
        {"data": ONE_CLICK},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
        {
            "content": b"\xff\x00 nothing that could be read",
            "headers": {"Content-Type": "multipart/form-data"},
        },
        {},
    ],
    ids=["urlencoded", "multipart", "broken", "empty"],
)
def test_a_post_unsubscribes_once_whatever_its_body(
    anyone: Client, reader: Reader, body: dict[str, Any]
) -> None:
    for _ in range(3):
        answer = anyone.post(reader.path("unsubscribe"), follow_redirects=False, **body)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        assert "You are unsubscribed" in answer.text
    assert reader.suppressed() == ["unsubscribe"]
    assert reader.unsubscribes() == 1


def test_a_mail_programs_post_is_never_taken_for_a_robots(anyone: Client, reader: Reader) -> None:
    headers = {"User-Agent": "GoogleImageProxy bot", "Origin": "https://evil.example"}
    assert anyone.post(reader.path("unsubscribe"), data=ONE_CLICK, headers=headers).status_code == 200
    assert reader.suppressed() == ["unsubscribe"]


@pytest.mark.parametrize("kind", ["unsubscribe", "preferences"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_nothing_but_a_post_changes_anything(anyone: Client, reader: Reader, kind: Kind, method: str) -> None:
    reader.add_list("News", on=True)
    before = (reader.suppressed(), reader.unsubscribes(), reader.lists())
    answer = anyone.request(method, reader.path(kind))
    assert answer.status_code == {"GET": 200, "HEAD": 200, "OPTIONS": 204}.get(method, 405)
    assert (reader.suppressed(), reader.unsubscribes(), reader.lists()) == before


def test_the_page_keeps_the_token_to_itself(anyone: Client, reader: Reader) -> None:
    for path in (reader.path("unsubscribe"), reader.path("preferences"), "/u/nothing"):
        answer = anyone.get(path)
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "<script" not in answer.text
        assert "script" not in policy
        (style,) = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
        assert f"'sha256-{b64encode(hashlib.sha256(style.encode()).digest()).decode()}'" in policy
        assert not re.findall(r"(?:src|href|action)=\"(?!/p/)", answer.text), "nothing from elsewhere"
        assert "ann@" not in answer.text


def test_a_link_that_is_not_ours_is_a_page_that_says_so(anyone: Client, reader: Reader) -> None:
    good = reader.path("unsubscribe").removeprefix("/u/")
    mint, number = reader.courier.tokens.mint, reader.delivery_id
    wrong = [
        good[:-1] + ("a" if good[-1] != "a" else "b"), good.upper(), "x", "%00", "a" * 500,
        mint("unsubscribe", reader.tenant_id + 1, number), mint("unsubscribe", reader.tenant_id, number + 1),
        mint("preferences", reader.tenant_id, number), mint("click", reader.tenant_id, number),
    ]  # fmt: skip
    for token in wrong:
        for method in ("GET", "POST"):
            answer = anyone.request(method, f"/u/{token}")
            assert answer.status_code == 404, token
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert "This link does not work" in answer.text
    assert anyone.post(f"/p/{good}", data={"do": "stop"}).status_code == 404
    assert reader.suppressed() == []


def test_an_outage_is_a_page_that_says_to_come_back(
    anyone: Client, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: object, **options: object) -> object:
        raise StoreError("gone")

    monkeypatch.setattr(type(reader.courier.store), "platform", away)
    answer = anyone.post(reader.path("unsubscribe"), data=ONE_CLICK)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "Please try again later" in answer.text


def test_lists_are_chosen_and_none_is_an_unsubscribe(anyone: Client, reader: Reader) -> None:
    news, offers = reader.add_list("News", on=True), reader.add_list("Offers")
    reader.add_list("Staff <only>", public=False, on=True)
    path = reader.path("preferences")
    shown = anyone.get(path).text
    ticked = re.findall(r'value="(\d+)"( checked)?', shown)
    assert ticked == [(str(news), " checked"), (str(offers), "")]
    assert "About Offers." in shown
    assert "Staff" not in shown

    saved = anyone.post(path, data={"do": "save", "list": [str(offers), "999", "x", "9" * 5000]})
    assert "Your choice is saved." in saved.text
    assert reader.lists() == {"News": 0, "Offers": 1, "Staff <only>": 1}
    assert reader.suppressed() == []

    none = anyone.post(path, data={"do": "save"}).text
    assert "gets no mailings from Acme" in none
    assert reader.lists() == {"News": 0, "Offers": 0, "Staff <only>": 1}
    assert (reader.suppressed(), reader.unsubscribes()) == (["unsubscribe"], 1)

    # on a list that they left, by their own word
    again = anyone.post(path, data={"do": "save", "list": str(news)}).text
    assert "gets mailings from Acme" in again
    assert reader.lists() == {"News": 1, "Offers": 0, "Staff <only>": 1}
    assert reader.suppressed() == []


def test_stop_and_subscribe_again_without_any_list(anyone: Client, reader: Reader) -> None:
    path = reader.path("preferences")
    for times in (1, 2):
        stopped = anyone.post(path, data={"do": "stop"}).text
        assert 'value="resume"' in stopped
        assert 'value="stop"' not in stopped
        assert (reader.suppressed(), reader.unsubscribes()) == (["unsubscribe"], times)
        back = anyone.post(path, data={"do": "resume"}).text
        assert 'value="stop"' in back
        assert reader.suppressed() == []


def test_whom_the_tenant_marked_unsubscribed_may_come_back(anyone: Client, reader: Reader) -> None:
    reader.client.patch(f"/subscribers/{reader.id}", json={"status": "unsubscribed"})
    assert "gets no mailings" in anyone.get(reader.path("preferences")).text
    anyone.post(reader.path("preferences"), data={"do": "resume"})
    assert reader.client.get(f"/subscribers/{reader.id}").json()["status"] == "active"


@pytest.mark.parametrize("address", ["ann@x.example", "@x.example"])
def test_another_cause_is_not_lifted_by_a_link(anyone: Client, reader: Reader, address: str) -> None:
    with reader.courier.store.begin(reader.tenant_id) as unit:
        unit.suppressions.add(Suppression(tenant_id=reader.tenant_id, address=address, cause="complaint"))
    for do in ("resume", "stop"):
        answer = anyone.post(reader.path("preferences"), data={"do": do})
        assert "cannot send to a•••@x.example at the moment" in answer.text
        assert "post@acme.example" in answer.text
    with reader.courier.store.begin(reader.tenant_id, write=False) as unit:
        assert [each.cause for each in unit.suppressions.list(address=address)] == ["complaint"]


def test_a_person_who_was_removed_can_still_stop(anyone: Client, reader: Reader) -> None:
    reader.add_list("News", on=True)
    reader.client.delete(f"/subscribers/{reader.id}")
    assert 'type="checkbox"' not in anyone.get(reader.path("preferences")).text
    assert anyone.post(reader.path("unsubscribe"), data=ONE_CLICK).status_code == 200
    assert reader.suppressed() == ["unsubscribe"]


@pytest.mark.parametrize(("body", "status"), [({"do": "erase"}, 200), ({}, 200), ({"x": ["1"] * 300}, 422)])
def test_a_form_of_somebody_elses_making_changes_nothing(
    anyone: Client, reader: Reader, body: dict[str, Any], status: int
) -> None:
    assert anyone.post(reader.path("preferences"), data=body).status_code == status
    assert anyone.post(reader.path("preferences"), content=b"x" * 70_000).status_code == 413
    assert reader.suppressed() == []


def test_a_tenants_branding_is_data_on_the_page(anyone: Client, reader: Reader) -> None:
    made = reader.client.patch(f"/tenants/{reader.tenant_id}", json={"branding": BRANDING})
    assert made.json()["branding"] == {**BRANDING, "language": "de", "colour": "#0a7b3e"}
    answer = anyone.get(reader.path("unsubscribe"))
    text = answer.text
    assert '<html lang="de" dir="ltr">' in text
    assert "#0a7b3e" in text
    assert COLOUR not in text
    assert '<img src="https://acme.example/logo.png" alt="Acme &lt;News&gt;">' in text
    assert "img-src https:" in answer.headers["content-security-policy"]
    assert "Acme &amp; Sons, 1 Road" in text
    assert "alle Rundmails von Acme <News> an a•••@x.example" in unescape(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("colour", "red"), ("colour", "#12345"), ("colour", "#000000}body{display:none"),
        ("logo_url", "http://acme.example/a.png"), ("logo_url", "javascript:alert(1)"),
        ("home_url", 'https://x.example/"onload="'), ("home_url", "https://"), ("language", "d"),
        ("language", "../en"), ("imprint", "x" * 501), ("imprint", "a\nb"), ("name", "x" * 201),
    ],
)  # fmt: skip
def test_branding_that_no_page_should_show_is_refused(
    client: Client, tenant_id: int, field: str, value: str
) -> None:
    answer = client.patch(f"/tenants/{tenant_id}", json={"branding": {field: value}})
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [f"branding.{field}"]


def test_the_language_is_the_persons_then_the_browsers_then_the_tenants(
    anyone: Client, reader: Reader
) -> None:
    def lang(accept: str) -> str:
        answer = anyone.get(reader.path("unsubscribe"), headers={"Accept-Language": accept})
        (found,) = re.findall('<html lang="(.+?)"', answer.text)
        assert answer.headers["content-language"] == found
        return str(found)

    assert lang("xx") == "en"
    reader.client.patch(f"/tenants/{reader.tenant_id}", json={"branding": {"language": "it"}})
    assert lang("xx, *") == "it"
    assert lang("xx, es;q=0.3, fr-CA;q=0.9") == "fr"
    reader.client.patch(f"/subscribers/{reader.id}", json={"attributes": {"language": "de_AT"}})
    assert lang("fr") == "de"
    reader.client.patch(f"/subscribers/{reader.id}", json={"attributes": {"language": ["fr"]}})
    assert lang("ja") == "ja"


def test_every_language_says_everything_with_the_same_names_in_it() -> None:
    english = catalogue()["en"]
    assert len(catalogue()) >= 6
    for tag, texts in catalogue().items():
        assert texts.keys() == english.keys(), tag
        for key, text in texts.items():
            assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", english[key])), (tag, key)
            assert text.strip(), (tag, key)


@given(st.text() | st.from_regex(r"[a-z-]{1,9}(;q=[0-9.]{1,5})?(, ?[a-z]{2})*"))
def test_any_accept_language_gives_a_language(header: str) -> None:
    assert words("", header, accept=header)["tag"] in catalogue()


def test_both_links_of_a_mail_lead_here(anyone: Client, reader: Reader) -> None:
    from courierx_core.messages.compile import Compiled
    from courierx_core.messages.model import Content, Message, Recipient

    content = Content(
        from_email="a@x.example", subject="s", text="{{ unsubscribe_url }} {{ preferences_url }}",
        public_url="https://mail.example.com",
    )  # fmt: skip
    message = Message(tenant_id=reader.tenant_id, stream="broadcast", transport="mock", content=content)
    person = Recipient(id=reader.delivery_id, message_id=1, address="ann@x.example", state="queued")
    fields = Compiled(message, reader.courier.tokens).fields(person)
    paths = re.findall(r"https://mail.example.com(\S+)", fields.text)
    assert paths == [reader.path("unsubscribe"), reader.path("preferences")]
    assert dict(fields.headers)["List-Unsubscribe"] == f"<https://mail.example.com{paths[0]}>"
    for path in paths:
        assert anyone.get(path).status_code == 200


def test_the_description_of_a_list_is_kept(client: Client, tenant_id: int) -> None:
    made = client.post("/lists", json={"tenant_id": tenant_id, "name": "News"}).json()
    assert (made["public"], made["description"]) == (False, "")
    changed = client.patch(f"/lists/{made['id']}", json={"public": True, "description": "Once a month."})
    assert (changed.json()["name"], changed.json()["public"]) == ("News", True)
    assert changed.json()["description"] == "Once a month."
    assert client.patch(f"/lists/{made['id']}", json={"description": "x" * 1001}).status_code == 422
