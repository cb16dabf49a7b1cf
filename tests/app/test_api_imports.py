"""Imports: a large file is kept, taken in by a worker step by step, and can be asked for and given up."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.api import uploads
from courierx_core.courier import Courier
from courierx_core.imports import run, service, spool, steps
from courierx_core.work import WorkItem
from courierx_core.worker import TASKS
from courierx_sql.rows.idempotency import IdempotencyRows

Client = TestClient[Litestar]
PATH = "/subscribers/bulk-import"
ASYNC = {"Prefer": "respond-async"}
HEADER = "email,first_name,city\n"


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many steps and many pieces, of a file that a test can afford."""
    monkeypatch.setattr(steps, "STEP_ROWS", 10)
    monkeypatch.setattr(spool, "PIECE_BYTES", 100)
    monkeypatch.setattr(spool, "PIECES_AT_ONCE", 2)


def csv_of(count: int) -> str:
    """Make `count` lines of which every 7th is no address, and every 11th is the first again."""
    lines = []
    for n in range(count):
        address = "not an address" if n % 7 == 6 else "p0@x.example" if n % 11 == 10 else f"p{n}@x.example"
        lines.append(f'{address},"Zoë {n}",Oslo\n')
    return HEADER + "".join(lines)


def upload(client: Client, tenant_id: int, csv: str, **more: Any) -> Any:
    answer = client.post(
        PATH, params={"tenant_id": tenant_id, **more}, files={"file": ("people.csv", csv)}, headers=ASYNC
    )
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/imports/{answer.json()['id']}"
    return answer.json()


def turns(courier: Courier) -> Iterator[WorkItem]:
    """Claim and do what a worker would, turn by turn."""
    ledger = courier.store.ledger()
    try:
        while items := ledger.claim("test", limit=1, lease_seconds=60, topics=("import",)):
            TASKS[items[0].topic](courier, items[0])
            yield items[0]
    finally:
        ledger.close()


def test_a_file_is_taken_in_step_by_step(client: Client, courier: Courier, tenant_id: int) -> None:
    made = upload(client, tenant_id, csv_of(100))
    assert (made["state"], made["file_name"], made["progress"]) == ("waiting", "people.csv", 0.0)
    list(turns(courier))
    done = client.get(f"/imports/{made['id']}").json()
    assert (done["state"], done["progress"], done["error"]) == ("done", 1.0, "")
    assert done["finished_at"] is not None
    assert (done["imported"], done["skipped"], done["bad"]) == (78, 8, 14)
    people = client.get("/subscribers", params={"tenant_id": tenant_id, "limit": 1000}).json()
    assert len(people) == 78
    assert people[0]["first_name"] == "Zoë 99"
    assert client.get("/imports", params={"tenant_id": tenant_id}).json() == [done]
    answer = client.get(f"/imports/{made['id']}/errors.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    lines = answer.text.splitlines()
    assert (lines[0], len(lines)) == ("line,email,reason", 15)
    assert lines[1].startswith("8,not an address,")
    with courier.store.begin(tenant_id, write=False) as unit:  # the file is not kept any longer
        found = unit.imports.get(made["id"])
        with pytest.raises(Exception, match="No piece"):
            unit.files.piece(found.file_id, 0)


def test_a_crash_between_any_two_steps_changes_nothing(
    client: Client, courier: Courier, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = upload(client, tenant_id, csv_of(100))
    monkeypatch.setattr(run, "TURN_SECONDS", -1.0)  # one step a turn, each from what is stored alone
    assert sum(1 for _ in turns(courier)) == 11
    done = client.get(f"/imports/{made['id']}").json()
    assert (done["state"], done["imported"], done["skipped"], done["bad"]) == ("done", 78, 8, 14)
    errors = client.get(f"/imports/{made['id']}/errors.csv").text.splitlines()[1:]
    assert [int(line.partition(",")[0]) for line in errors] == [8 + 7 * n for n in range(14)]


def test_an_import_is_given_up_at_any_time(
    client: Client, courier: Courier, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = upload(client, tenant_id, csv_of(100))
    monkeypatch.setattr(run, "TURN_SECONDS", -1.0)
    next(turns(courier))
    cancelled = client.post(f"/imports/{made['id']}/cancel").json()
    assert (cancelled["state"], cancelled["imported"] + cancelled["bad"]) == ("cancelled", 10)
    assert list(turns(courier)) == []
    assert client.post(f"/imports/{made['id']}/cancel").status_code == 409


def test_a_step_under_way_is_fenced_by_a_cancellation(
    client: Client, courier: Courier, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = upload(client, tenant_id, csv_of(100))
    read = run.steps

    def cancelled_meanwhile(file: Any) -> Any:
        for step in read(file):
            with courier.store.begin(tenant_id) as unit:
                service.cancel(unit, made["id"])
            yield step

    monkeypatch.setattr(run, "steps", cancelled_meanwhile)
    with pytest.raises(Exception, match="no longer ours"):
        next(turns(courier))
    assert client.get("/subscribers", params={"tenant_id": tenant_id}).json() == []


@pytest.fixture
def large_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "PIECE_BYTES", 1 << 20)


@pytest.mark.usefixtures("large_pieces")
def test_what_cannot_be_read_fails_and_says_why(client: Client, courier: Courier, tenant_id: int) -> None:
    made = upload(client, tenant_id, HEADER + "a@x.example,Ann,Oslo\n" + "x" * (1 << 20))
    list(turns(courier))
    failed = client.get(f"/imports/{made['id']}").json()
    assert failed["state"] == "failed"
    assert "this is no CSV file" in failed["error"]


def test_what_does_not_begin_as_a_table_is_refused_before_it_is_kept(client: Client, tenant_id: int) -> None:
    given: dict[str, Any] = {"params": {"tenant_id": tenant_id}, "headers": ASYNC}
    answer = client.post(PATH, files={"file": ("people.csv", "name,city\nAnn,Oslo\n")}, **given)
    assert answer.status_code == 400, answer.text
    assert "no column holds the address" in answer.text
    assert client.get(f"/imports?tenant_id={tenant_id}").json() == []


def test_an_upload_that_was_cut_off_fails_in_the_end(
    client: Client, courier: Courier, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if size == spool.PIECE_BYTES:
                raise OSError("gone")
            return b""

    monkeypatch.setattr(service, "RECEIVE_SECONDS", -1.0)
    with pytest.raises(OSError, match="gone"):
        service.hand_in(courier, tenant_id, Broken())
    list(turns(courier))
    (failed,) = client.get("/imports", params={"tenant_id": tenant_id}).json()
    assert (failed["state"], failed["error"]) == ("failed", run.CUT_OFF)


def test_a_file_is_handed_in_once_for_a_key(
    client: Client, courier: Courier, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hand_in(csv: str) -> Any:
        headers = ASYNC | {"Idempotency-Key": "people"}
        return client.post(f"{PATH}?tenant_id={tenant_id}", files={"file": ("p.csv", csv)}, headers=headers)

    def dies(*_: object) -> Any:
        raise OSError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(IdempotencyRows, "add", dies)
        assert hand_in(csv_of(30)).status_code == 500
    first, again = hand_in(csv_of(30)), hand_in(csv_of(30))
    assert (first.status_code, first.json()["state"]) == (202, "waiting")
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["location"] == first.headers["location"] == f"/imports/{first.json()['id']}"
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (
        None,
        "true",
    )
    other = hand_in(csv_of(31))
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    list(turns(courier))
    states = [each["state"] for each in client.get(f"/imports?tenant_id={tenant_id}").json()]
    assert states == ["done", "receiving"]  # what was cut off fails in the end, and takes nothing in


def test_a_file_taken_in_at_once_is_taken_in_whole_or_not_at_all(
    client: Client, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, take = [], steps.take

    def dies(*given: Any) -> Any:
        seen.append(take(*given))
        if len(seen) == 3:
            raise OSError("gone")
        return seen[-1]

    body = {"tenant_id": tenant_id, "csv_text": csv_of(40)}
    with monkeypatch.context() as broken:
        broken.setattr(steps, "take", dies)
        assert client.post(PATH, json=body).status_code == 500
    assert client.get(f"/subscribers?tenant_id={tenant_id}").json() == []
    imported = client.post(PATH, json=body).json()["imported"]
    assert sum(each.imported for each in seen) < imported
    assert len(client.get(f"/subscribers?tenant_id={tenant_id}").json()) == imported


def test_everyone_goes_on_the_list_that_was_asked_for(
    client: Client, courier: Courier, tenant_id: int
) -> None:
    made = client.post("/lists", json={"tenant_id": tenant_id, "name": "News"}).json()["id"]
    upload(client, tenant_id, csv_of(30), list_id=made)
    list(turns(courier))
    listed = client.get("/subscribers", params={"tenant_id": tenant_id, "list": made}).json()
    assert len(listed) == 24
    answer = client.post(
        PATH,
        params={"tenant_id": tenant_id, "list_id": 999},
        files={"file": ("p.csv", HEADER)},
        headers=ASYNC,
    )
    assert answer.status_code == 404


def test_a_list_that_goes_away_meanwhile_fails_the_import(
    client: Client, courier: Courier, tenant_id: int
) -> None:
    list_id = client.post("/lists", json={"tenant_id": tenant_id, "name": "News"}).json()["id"]
    made = upload(client, tenant_id, csv_of(30), list_id=list_id)
    assert client.delete(f"/lists/{list_id}").status_code == 204
    list(turns(courier))
    failed = client.get(f"/imports/{made['id']}").json()
    assert (failed["state"], failed["imported"]) == ("failed", 0)
    assert f"No list {list_id}" in failed["error"]


@pytest.mark.usefixtures("large_pieces")
def test_a_large_file_is_never_taken_in_at_once(client: Client, tenant_id: int) -> None:
    csv = HEADER + "a@x.example,Ann,Oslo\n" * 60_000
    answer = client.post(
        PATH, params={"tenant_id": tenant_id}, content=csv.encode(), headers={"Content-Type": "text/csv"}
    )
    assert answer.status_code == 202, answer.text
    assert answer.json()["size"] == len(csv)


def test_json_has_an_end(client: Client, tenant_id: int) -> None:
    body = b'{"csv_text": "' + b"x" * uploads.JSON_MAX_BYTES + b'"}'
    answer = client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert "text/csv" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"on_conflict": "replace"}, "on_conflict"),
        ({"list_id": "news"}, "list_id"),
        ({"tenant_id": "Acme"}, "tenant_id"),
        ({"on_conflict": "up\0date"}, "on_conflict"),
        ({"list_id": "1" * 70_000}, "list_id"),
    ],
)
def test_a_forms_bad_fields_are_named(
    client: Client, tenant_id: int, fields: dict[str, str], field: str
) -> None:
    data = {"tenant_id": str(tenant_id), **fields}
    answer = client.post(PATH, data=data, files={"file": ("p.csv", HEADER)})
    assert answer.status_code in (400, 422)
    assert [each["field"] for each in answer.json()["errors"]] == [field]


def test_a_form_has_one_file(client: Client, tenant_id: int) -> None:
    twice = [("file", ("a.csv", HEADER)), ("file", ("b.csv", HEADER))]
    answer = client.post(PATH, params={"tenant_id": tenant_id}, files=twice)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "duplicate")
    for content in (b"", b"--x\r\n", b"--x\r\nnonsense\r\n\r\n"):
        broken = client.post(
            PATH, content=content, headers={"Content-Type": "multipart/form-data; boundary=x"}
        )
        assert broken.status_code == 400, broken.text


def test_the_errors_cannot_be_formulas(client: Client, courier: Courier, tenant_id: int) -> None:
    """S07."""
    made = upload(client, tenant_id, 'email\n"=HYPERLINK(""http://x"")"\n')
    list(turns(courier))
    (line,) = client.get(f"/imports/{made['id']}/errors.csv").text.splitlines()[1:]
    assert line.startswith("2,\"'=HYPERLINK")


@pytest.mark.parametrize("where", ["query", "form", "json"])
def test_columns_mean_what_a_request_says(client: Client, tenant_id: int, where: str) -> None:
    csv, meant = "Kontakt,Ort\nann@x.example,Oslo\n", {"Kontakt": "email", "Ort": "city"}
    given: dict[str, Any] = {"params": {"tenant_id": tenant_id}}
    if where == "query":
        given["params"]["mapping"] = json.dumps(meant)
        given |= {"content": csv, "headers": {"Content-Type": "text/csv"}}
    elif where == "form":
        given |= {"data": {"mapping": json.dumps(meant)}, "files": {"file": ("a.csv", csv)}}
    else:
        given["json"] = {"csv_text": csv, "mapping": meant}
    answer = client.post(PATH, **given)
    assert answer.json().get("imported") == 1, answer.text
    found = client.get(f"/subscribers/by-email/ann@x.example?tenant_id={tenant_id}").json()
    assert found["attributes"] == {"city": "Oslo"}


@pytest.mark.parametrize(
    "mapping",
    [
        "x",
        "[1]",
        '{"email": 1}',
        '{"nothing": "email"}',
        '{"email": "a b"}',
        '{"email": "' + "a" * 200 + '"}',
    ],
)
def test_a_wrong_meaning_is_named(client: Client, tenant_id: int, mapping: str) -> None:
    answer = client.post(
        PATH, params={"tenant_id": tenant_id}, data={"mapping": mapping}, files={"file": ("p.csv", HEADER)}
    )
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["errors"][0]["field"].partition(".")[0] == "mapping"
