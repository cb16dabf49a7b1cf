"""The page of settings, `.env.example` and the code say the same."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from courierx_app.settings import Settings, read
from courierx_core import dotenv
from courierx_core.config import clean, env_names
from courierx_core.plugins import SLOTS, installed

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".env.example"


def structs() -> dict[str, type[msgspec.Struct]]:
    """Return every Struct that settings are read into, by the heading it has on the page."""
    found: dict[str, type[msgspec.Struct]] = {"Settings": Settings}
    slots = {slot.group: slot for slot in SLOTS}
    for plugin in installed():
        if plugin.group in slots and plugin.origin.startswith("courierx ") and plugin.state != "broken":
            slot = slots[plugin.group]
            found[f"The {slot.word} `{plugin.name}`"] = slot.load(plugin.name).Config
    return found


VARIABLES = {variable for struct in structs().values() for variable in env_names(struct).values()}


def section(heading: str) -> str:
    page = (ROOT / "docs/reference/settings.md").read_text("utf-8")
    found = re.search(rf"^##? {re.escape(heading)}$(.*?)(^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"docs/reference/settings.md has no heading {heading!r}"
    return found[1]


@pytest.mark.parametrize(("heading", "struct"), structs().items(), ids=list(structs()))
def test_the_page_has_every_setting_and_no_other(heading: str, struct: type[msgspec.Struct]) -> None:
    rows = re.findall(r"^\| (?:`(\w+)`)? ?\| `(\w+)` \|", section(heading), re.MULTILINE)
    variables = env_names(struct)
    assert rows == [(variables.get(field.name, ""), field.name) for field in msgspec.structs.fields(struct)]


def test_the_example_works_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(EXAMPLE.read_bytes())
    settings = read(tmp_path, {}).settings
    assert settings == read(tmp_path / "nowhere", {}).settings == Settings()


def test_the_example_names_settings_that_exist() -> None:
    assert set(dotenv.read(EXAMPLE)) <= VARIABLES


def test_the_example_names_every_setting_of_the_application() -> None:
    assert set(env_names(Settings).values()) <= set(dotenv.read(EXAMPLE))


def test_the_example_holds_no_secret() -> None:
    assert not clean(dotenv.read(EXAMPLE)["COURIERX_SECRET_KEY"])
    assert not clean(dotenv.read(EXAMPLE)["SMTP_URL"])
