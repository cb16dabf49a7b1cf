"""Settings: where a value comes from, what a wrong one says, and that a secret is never said."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from courierx_core import dotenv
from courierx_core.config import env_names, load, merged, takes
from courierx_core.errors import ConfigError
from courierx_core.ports.driver import Config, Secret


class Example(Config, frozen=True, kw_only=True):
    url: Annotated[Secret, Meta(extra={"env": "EXAMPLE_URL"}, examples=["smtp://mail.example.org"])]
    size: Annotated[int, Meta(ge=1, le=10, extra={"env": "EXAMPLE_SIZE"})] = 3
    delay: Annotated[float | None, Meta(ge=0, extra={"env": "EXAMPLE_DELAY"})] = None
    loud: Annotated[bool, Meta(extra={"env": "EXAMPLE_LOUD"})] = False
    mode: Annotated[Literal["fast", "slow"], Meta(extra={"env": "EXAMPLE_MODE"})] = "fast"
    names: Annotated[tuple[str, ...], Meta(extra={"env": "EXAMPLE_NAMES"})] = ()
    keys: Annotated[tuple[Secret, ...], Meta(extra={"env": "EXAMPLE_KEYS"})] = ()
    steps: Annotated[tuple[Annotated[int, Meta(ge=1)], ...], Meta(extra={"env": "EXAMPLE_STEPS"})] = ()
    folder: Annotated[Path, Meta(extra={"env": "EXAMPLE_FOLDER"})] = Path(".")
    only_table: str = "plain"


def build(table: dict[str, object] | None = None, **environ: str) -> Example:
    return load(Example, table=table or {}, environ={"EXAMPLE_URL": "x", **environ}, where="[example]")


def problems(table: dict[str, object] | None = None, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build(table, **environ)
    return str(caught.value).splitlines()


def test_every_kind_is_read_from_text() -> None:
    made = build(
        EXAMPLE_URL="' smtp://u:p@h '",
        EXAMPLE_SIZE="7",
        EXAMPLE_DELAY="1.5",
        EXAMPLE_LOUD="Yes",
        EXAMPLE_MODE='"slow"',
        EXAMPLE_NAMES="a, 'b' ,,c",
        EXAMPLE_KEYS="new,old",
        EXAMPLE_STEPS="60,300",
        EXAMPLE_FOLDER="/srv/mail",
    )
    assert made == Example(
        url=Secret("smtp://u:p@h"),
        size=7,
        delay=1.5,
        loud=True,
        mode="slow",
        names=("a", "b", "c"),
        keys=(Secret("new"), Secret("old")),
        steps=(60, 300),
        folder=Path("/srv/mail"),
    )


def test_the_environment_wins_over_the_table_and_the_table_over_the_default() -> None:
    made = build({"size": 5, "mode": "slow", "names": ["x"]}, EXAMPLE_SIZE="6")
    assert (made.size, made.mode, made.names, made.loud) == (6, "slow", ("x",), False)


@pytest.mark.parametrize("blank", ["", "  ", "''", '""', "' '"])
def test_a_blank_value_is_unset(blank: str) -> None:
    assert build({"size": 5}, EXAMPLE_SIZE=blank, EXAMPLE_NAMES=blank, EXAMPLE_LOUD=blank).size == 5


def test_a_blank_value_in_the_environment_leaves_the_file_below_visible() -> None:
    assert merged({"A": "file", "B": "file"}, {"A": "", "B": "env"}) == {"A": "file", "B": "env"}


def test_every_problem_is_reported_at_once_with_name_value_and_what_it_takes() -> None:
    found = problems(
        {"sise": 4, "delay": -1},
        EXAMPLE_URL="",
        EXAMPLE_SIZE="eleven",
        EXAMPLE_MODE="warp",
        EXAMPLE_LOUD="maybe",
    )
    assert found == [
        "[example]: sise is not a setting; did you mean size?",
        "EXAMPLE_URL is not set (or url in [example]); it takes text, such as smtp://mail.example.org",
        "EXAMPLE_SIZE: got 'eleven'; it takes a whole number from 1 to 10",
        "[example]: delay: got -1; it takes a number of at least 0",
        "EXAMPLE_LOUD: got 'maybe'; it takes true or false",
        "EXAMPLE_MODE: got 'warp'; it takes one of: fast, slow",
    ]


@pytest.mark.parametrize("value", ["0", "11", "1.5", "1e3", "-1"])
def test_a_number_out_of_its_bounds_is_refused(value: str) -> None:
    assert problems(EXAMPLE_SIZE=value) == [
        f"EXAMPLE_SIZE: got {value!r}; it takes a whole number from 1 to 10"
    ]


def test_a_wrong_item_of_a_list_is_refused_with_the_list() -> None:
    (line,) = problems(EXAMPLE_STEPS="60,0")
    assert line.startswith("EXAMPLE_STEPS: got ['60', '0']; it takes a whole number of at least 1, several")


def test_a_secret_of_the_wrong_kind_is_not_shown() -> None:
    for table in ({"keys": [5, "hunter2"]}, {"url": ["hunter2"]}, {"url": {"password": "hunter2"}}):
        with pytest.raises(ConfigError) as caught:
            load(Example, table={"url": "x", **table}, environ={}, where="[example]")
        assert "not shown" in str(caught.value)
        assert "hunter2" not in str(caught.value)


def test_what_the_struct_itself_refuses_is_a_config_error() -> None:
    class Picky(Config, frozen=True, kw_only=True):
        size: int = 0

        def __post_init__(self) -> None:
            if self.size % 2:
                raise ValueError(f"size {self.size} is odd; it must be even")

    with pytest.raises(ConfigError, match=r"^\[picky\]: size 3 is odd"):
        load(Picky, table={"size": 3}, environ={}, where="[picky]")


def test_strings_of_a_toml_table_are_not_numbers() -> None:
    assert problems({"size": "4"}) == ["[example]: size: got '4'; it takes a whole number from 1 to 10"]


def test_names_of_variables_are_listed() -> None:
    assert env_names(Example)["size"] == "EXAMPLE_SIZE"
    assert "only_table" not in env_names(Example)


def test_what_a_setting_takes_is_said_in_words() -> None:
    kinds = {field.name: takes(field.type) for field in msgspec.structs.fields(Example)}
    assert kinds["names"] == "text, several separated by commas"
    assert kinds["folder"] == "a path"


# --- .env files


def test_a_dotenv_file_is_read_as_shells_read_it(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(
        b"\xef\xbb\xbfA=1\r\n# a comment\n\nexport B = two words # said\nC='it # is'\n"
        b'D="a \\"b\\"\\n$c" # x\nE=\nF=a#b\nG=# none\nURL=postgres://u:p@h/d?sslmode=require\n'
    )
    assert dotenv.read(path) == {
        "A": "1",
        "B": "two words",
        "C": "it # is",
        "D": 'a "b"\n$c',
        "E": "",
        "F": "a#b",
        "G": "",
        "URL": "postgres://u:p@h/d?sslmode=require",
    }


def test_a_missing_dotenv_file_is_empty(tmp_path: Path) -> None:
    assert dotenv.read(tmp_path / "none") == {}


@pytest.mark.parametrize("line", ["PASSWORD hunter2", "PASS-WORD=hunter2", "P='hunter2", 'P="hunter2" x'])
def test_a_wrong_line_is_named_by_its_place_not_its_text(line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        dotenv.parse(f"A=1\n{line}\n", "here/.env")
    assert str(caught.value) == "here/.env line 2 is not NAME=value"


@given(st.text())
def test_any_text_parses_or_is_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert all(name.isascii() for name in dotenv.parse(text))


@given(st.text(st.characters(codec="utf-8", exclude_characters="'", exclude_categories=["C", "Z"])))
def test_a_quoted_value_comes_back_as_written(value: str) -> None:
    assert dotenv.parse(f"A='{value}'") == {"A": value}
