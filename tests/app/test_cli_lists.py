"""`courierx lists`: the same use cases as over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.test_cli import Cx, cx

__all__ = ["cx"]


@pytest.fixture
def people(cx: Cx, tmp_path: Path) -> str:
    cx("tenants", "add", "Acme", "--email", "post@acme.example")
    file = tmp_path / "people.csv"
    file.write_text("E-Mail privat,Wohnort\na@x.example,Bonn\nb@x.example,Ulm\n")
    return str(file)


def test_a_list_is_made_filled_renamed_and_deleted(cx: Cx, people: str) -> None:
    made = json.loads(cx("lists", "create", "News", "--public", "--description", "Monthly", "--json"))
    assert (made["name"], made["public"], made["description"]) == ("News", True, "Monthly")
    number = str(made["id"])
    cx("subscribers", "import", people, "--list", number, "--map", "E-Mail privat=email")
    shown = {"id": made["id"], "name": "News", "subscribers": 2}
    assert json.loads(cx("lists", "list", "--json")) == [shown]
    assert "is Letters." in cx("lists", "rename", number, "Letters")
    assert cx("lists", "list").split() == ["ID", "SUBSCRIBED", "NAME", number, "2", "Letters"]
    cx("lists", "create", "Letters", status=1, err="Letters")
    assert "is deleted" in cx("lists", "delete", number)
    cx("lists", "delete", number, status=1, err=f"No list {number}")
    assert json.loads(cx("lists", "list", "--json")) == []


def test_columns_mean_what_they_are_said_to(cx: Cx, people: str) -> None:
    given = ("subscribers", "import", people, "--map", "E-Mail privat=email")
    cx(*given, "--map", "Wohnort", status=2, err="HEADER=NAME")
    cx(*given, "--map", "Stadt=city", status=1, err="no column is called 'Stadt'")
    cx(*given, "--map", "Wohnort=the city", status=1, err="no name of an attribute")
    cx(*given, "--map", "Wohnort=city")
    assert "a@x.example" in cx("subscribers", "export")
    assert "city" in cx("subscribers", "export").splitlines()[0]
